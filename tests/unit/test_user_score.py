"""The score record, byte for byte."""

import msgspec
import pytest

from streams.core.rules import CUSTOM, Churn, EventType, Scoring
from streams.core.score import ScoreRecord, score_record
from streams.core.user import User
from streams.core.writer import Writer
from tests.histories import ADDED, EMAIL, ORDER, VIEW, at, fresh, history, make_rules


def scored(user: User, as_of_ms: int | None = None) -> ScoreRecord:
    """The score of `user` as of its newest event, decoded; the bytes are what msgspec makes of the struct."""
    _, value = score_record(user, user.rules, cause="event", as_of_ms=user.newest_ms if as_of_ms is None else as_of_ms, due_ms=None, rev=7)
    record = msgspec.json.decode(value, type=ScoreRecord)
    assert msgspec.json.encode(record) == value
    return record


def test_the_record_of_the_reference_user() -> None:
    user = history(fresh(), [0, 2, 3, 7, 8, 12])
    user.fold(ORDER, at(20), 1, 12345, 1, 3, 99)
    ident, value = score_record(user, user.rules, cause="event", as_of_ms=at(20, 5), due_ms=None, rev=41)
    assert ident == "ann@engagement.campaigns.v1/3/99"
    assert value == (
        b'{"score_id":"ann@engagement.campaigns.v1/3/99","user_id":"ann","as_of":"2019-05-04T00:00:00.005Z","engagement_score":62.16,'
        b'"band":"hot","churn_probability":0.1178,"churn_horizon_days":30.0,"model":"prior",'
        b'"ces":{"5m":10.0,"1h":10.0,"24h":10.0,"7d":10.0,"30d":28.0},'
        b'"counts":{"24h":{"order_completed":1},"30d":{"product_added":6,"order_completed":1}},'
        b'"contributions":[{"type":"order_completed","count":1,"points":10.0}],'
        b'"sessions_30d":7,"revenue_30d_minor":12345,"cause":"event","rev":41,"rules_version":"test"}'
    )


def test_a_timer_adds_its_due_time_to_the_id() -> None:
    user = history(fresh(), [0])
    ident, value = score_record(user, user.rules, cause="timer", as_of_ms=at(9), due_ms=at(9), rev=7)
    assert ident == f"ann@engagement.clickstream.v1/3/1+{at(9)}"
    assert msgspec.json.decode(value, type=ScoreRecord).score_id == ident


def test_the_five_largest_contributions_and_the_sum_of_the_others() -> None:
    """Equal ones in the order of their numbers; types that are worth nothing are left out; points add up to `ces`."""
    types = [EventType(id=number, name=f"kind_{number}", weight=weight) for number, weight in ((50, 2.0), (51, 2.0), (52, 0.25), (53, 4.0))]
    user = fresh(make_rules(types=types))
    for number, kind in enumerate([VIEW, ADDED, ORDER, EMAIL, CUSTOM, CUSTOM, CUSTOM, 50, 51, 52, 53]):
        user.fold(kind, at(0), number, 0, 0, 3, number)
    record = scored(user)
    assert [(each.type, each.count, each.points) for each in record.contributions] == [
        ("order_completed", 1, 10.0),
        ("kind_53", 1, 4.0),
        ("product_added", 1, 3.0),
        ("kind_50", 1, 2.0),
        ("kind_51", 1, 2.0),
        ("other", 5, 2.75),
    ]
    assert record.ces["7d"] == 23.75 == sum(each.points for each in record.contributions)


def test_what_rounding_leaves_over_belongs_to_the_largest() -> None:
    """Two types worth 0.004 each are 0.01 together."""
    types = [EventType(id=number, name=f"kind_{number}", weight=0.004) for number in (50, 51)]
    record = scored(history(history(fresh(make_rules(types=types)), [0], 50), [0], 51))
    assert [each.points for each in record.contributions] == [0.01, 0.0]
    assert record.ces["7d"] == 0.01


def test_a_type_of_negative_weight_takes_points_off() -> None:
    types = [EventType(id=50, name="complaint", weight=-2.5)]
    record = scored(history(history(fresh(make_rules(types=types)), [0], VIEW), [0], 50))
    assert [(each.type, each.points) for each in record.contributions] == [("page_view", 1.0), ("complaint", -2.5)]
    assert record.ces["24h"] == -1.5


def test_a_user_without_a_scored_event_has_a_score_of_nothing() -> None:
    record = scored(history(fresh(), [0], EMAIL))
    assert (record.engagement_score, record.band, record.churn_probability, record.contributions) == (0.0, "cold", 0.0, [])
    assert record.counts == {"24h": {"email_send": 1}, "30d": {"email_send": 1}}


def test_windows_that_have_passed_are_empty() -> None:
    record = scored(history(fresh(), [0]), at(300))
    assert record.ces == {"5m": 0.0, "1h": 0.0, "24h": 0.0, "7d": 0.0, "30d": 0.0}
    assert (record.counts, record.sessions_30d, record.contributions) == ({"24h": {}, "30d": {}}, 0, [])


def test_revenue_may_be_negative() -> None:
    user = fresh()
    user.fold(ORDER, at(0), 1, -1999, 0, 3, 1)
    assert scored(user).revenue_30d_minor == -1999


def test_names_and_keys_are_escaped() -> None:
    """A user key is anything that is graphic, and a band may be called anything."""
    rules = make_rules(
        types=[EventType(id=50, name='say "hi" \\ ü', weight=1.0)], scoring=Scoring(bands=(1.0,), band_names=('"low"', '"high"'))
    )
    user = history(fresh(rules, key='ü"\\'), [0], 50)
    record = scored(user)
    assert (record.user_id, record.band, record.counts["24h"]) == ('ü"\\', '"high"', {'say "hi" \\ ü': 1})


def test_a_type_that_the_catalogue_has_lost_is_called_by_its_number() -> None:
    user = history(fresh(), [0], 50)
    assert scored(user).counts["24h"] == {"type_50": 1}


def test_a_certainty_is_one() -> None:
    """Probabilities are rounded to four places."""
    user = history(fresh(make_rules(churn=Churn(r0=0.0))), [0])
    assert scored(user, at(100_000)).churn_probability == 1.0


def test_a_record_longer_than_the_buffer() -> None:
    """Two hundred types with long names, more than fit into 8 KiB beside everything else that a user may have."""
    types = [EventType(id=number, name=f"{'n' * 40}_{number}", weight=1.0) for number in range(50, 256) if number != EMAIL]
    user = fresh(make_rules(types=types, scoring=Scoring(state_bytes=16_384)))
    for number in range(50, 256):
        user.fold(number, at(0), number, 0, 0, 3, number)
    assert len(scored(user).counts["30d"]) == 206


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, 100, b"0.0"),
        (5, 100, b"0.05"),
        (-5, 100, b"-0.05"),
        (250, 100, b"2.5"),
        (300, 100, b"3.0"),
        (12_345, 100, b"123.45"),
        (-1_000_000, 100, b"-10000.0"),
        (1, 10_000, b"0.0001"),
        (1_010, 10_000, b"0.101"),
        (10_000, 10_000, b"1.0"),
    ],
)
def test_fixed_places_are_the_shortest_json(value: int, unit: int, text: bytes) -> None:
    writer = Writer()
    writer.begin()
    writer.fixed(value, unit)
    assert writer.done() == text


def test_integers_have_all_their_digits() -> None:
    writer = Writer()
    for value in (0, 9, 10, -1, 9_007_199_254_740_993, -(1 << 62)):
        writer.begin()
        writer.integer(value)
        assert writer.done() == str(value).encode()


def test_a_writer_grows_at_any_piece() -> None:
    """Digits that no longer fit, and a piece that is longer than the buffer."""
    writer = Writer()
    writer.begin()
    writer.raw(b"x" * 4095)
    writer.digits(7, 3)
    writer.raw(b"")
    writer.raw(b"y" * 20_000)
    assert writer.done() == b"x" * 4095 + b"007" + b"y" * 20_000
