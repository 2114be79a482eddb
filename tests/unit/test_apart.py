"""However many records a step did not count, its journal line tells of each."""

from hypothesis import given
from hypothesis import strategies as st

from streams.core.apart import named, rest_of, unpacked
from streams.core.record import FATES, Apart

SPANS = {"clicks": (1_000_000, 1_002_000), "rerouted": (7, 2_007)}

records = st.builds(
    lambda topic, at, fate, reason: Apart(topic, SPANS[topic][0] + at, fate, reason),
    st.sampled_from(sorted(SPANS)),
    st.integers(0, 1_999),
    st.sampled_from(FATES[1:]),
    st.sampled_from(["", "not_json"]),
)


@given(st.lists(records, max_size=600, unique_by=lambda each: (each.topic, each.offset)))
def test_names_and_bits_together_are_all_of_them(apart: list[Apart]) -> None:
    told = [*named(apart), *unpacked(rest_of(apart, SPANS), SPANS)]
    assert sorted((each.topic, each.offset, each.fate) for each in told) == sorted((each.topic, each.offset, each.fate) for each in apart)
    assert named(apart) == apart[: len(named(apart))]
    assert (rest_of(apart, SPANS) == {}) is (len(apart) <= 200)


def test_a_step_of_repeats_is_a_short_line() -> None:
    rest = rest_of([Apart("clicks", 1_000_000 + n, "duplicate") for n in range(2_000)], SPANS)
    assert sum(len(text) for topics in rest.values() for text in topics.values()) < 350
