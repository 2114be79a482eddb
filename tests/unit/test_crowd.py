"""Many alerts of one cause are one alert."""

import msgspec
import pytest

from streams.core.crowd import HOUR_MS, Crowd, crowd_words, joined, listed_at_most
from streams.core.rules import Alerts, Rules
from tests.histories import make_rules

AT_MS = 500_000 * HOUR_MS


def rules(group_from: int, language: str = "en") -> Rules:
    return msgspec.structs.replace(make_rules(), alerts=Alerts(group_from=group_from, language=language))  # type: ignore[arg-type]


def crowd_of(n: int, made: Rules) -> tuple[tuple[Crowd, ...], Crowd]:
    crowds: tuple[Crowd, ...] = ()
    for i in range(n):
        crowds, mine = joined(crowds, "churn_risk", AT_MS + i, f"u{i}", (0, 3, i), made)
    return crowds, mine


def test_a_partition_lists_its_share_one_by_one() -> None:
    """Of 24 over twelve partitions: two; the thirteenth of thirteen is rounded up."""
    assert (listed_at_most(rules(24)), listed_at_most(rules(13)), listed_at_most(rules(0))) == (2, 2, 0)
    assert crowd_of(2, rules(24))[1] == Crowd("churn_risk", 500_000, listed=2)


def test_the_others_are_counted_with_a_sample_of_ten() -> None:
    mine = crowd_of(30, rules(24))[1]
    assert (mine.listed, mine.count, len(mine.sample), mine.sample[0]) == (2, 28, 10, "u2")
    assert mine.first == "u2@(0, 3, 2)"


def test_another_hour_and_another_rule_are_other_crowds() -> None:
    crowds, _ = crowd_of(3, rules(24))
    crowds, _ = joined(crowds, "engagement_drop", AT_MS, "v", (0, 3, 9), rules(24))
    crowds, mine = joined(crowds, "churn_risk", AT_MS + HOUR_MS, "w", (0, 3, 9), rules(24))
    assert (mine.hour, mine.listed) == (500_001, 1)
    assert len(crowds) == 3  # the first hour has one user to tell of


def test_an_hour_without_a_crowd_is_forgotten_with_the_next() -> None:
    crowds, _ = crowd_of(2, rules(24))
    assert [crowd.hour for crowd in joined(crowds, "churn_risk", AT_MS + HOUR_MS, "w", (0, 3, 9), rules(24))[0]] == [500_001]


@pytest.mark.parametrize(
    ("language", "over", "said"),
    [
        ("en", False, "more than 2 users with churn risk in this hour: the others are counted, not listed"),
        ("en", True, "2 more users with churn risk in the same hour, among them u2, u3"),
        ("de", False, "mehr als 2 Nutzer mit Abwanderungsrisiko in dieser Stunde: die weiteren werden gezählt statt aufgezählt"),
        ("de", True, "2 weitere Nutzer mit Abwanderungsrisiko in derselben Stunde, darunter u2, u3"),
    ],
)
def test_a_crowd_is_told_when_it_begins_and_when_its_hour_ends(language: str, over: bool, said: str) -> None:
    made = rules(24, language)
    words = crowd_words(crowd_of(4, made)[1], made, over=over)
    assert words.reasons[0].text == said
    assert (words.rule, words.firing, words.at_ms) == ("churn_risk_group", not over, AT_MS + (HOUR_MS if over else 0))
