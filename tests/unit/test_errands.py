"""What a step sends to other partitions leaves in an order that no crash and no slow partition can turn round."""

from streams.core.account import Act
from streams.core.errands import Errand, Link, Merge, Told, parted, sending
from streams.core.record import Output
from streams.core.reroute import rerouted
from tests.unit.records import REROUTED, FakeRecord


def sent(errand: Errand, offset: int) -> Output:
    return sending(errand, FakeRecord(offset=offset), REROUTED, 4)


def test_a_state_leaves_when_accounts_have_heard_what_its_member_told() -> None:
    told = [sent(Told("", 0, "", 0, 0, Act("firm", "anon:a", n, "visit")), n) for n in (0, 4)]
    link, merge = sent(Link("anon:b", 0, "", "bob"), 1), sent(Merge("ann", 0, "", "anon:a", b""), 2)
    follows = rerouted(FakeRecord(offset=3), REROUTED, 1, "ann")
    assert parted([told[0], link, merge, follows, told[1]]) == ([told[0], link, told[1]], [merge, follows])


def test_without_a_state_everything_leaves_together() -> None:
    outputs = [sent(Link("anon:b", 0, "", "bob"), 1), rerouted(FakeRecord(offset=3), REROUTED, 1)]
    assert parted(outputs) == (outputs, [])
    assert parted([]) == ([], [])
