"""`streams check` without a server: worked examples, and numbers that look like a mistake."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.check import check_config
from streams.errors import ConfigError
from streams.examples import differences
from streams.settings import Example, Settings, load
from streams.settings_files import Expected, Given

SHIPPED = load(Path(__file__).parents[2] / "config", {})

SEVEN_DAYS = (0.0, 2.0, 3.0, 7.0, 8.0, 12.0, 20.0)


def example(*expect: Expected, event: str = "product_added", days: tuple[float, ...] = SEVEN_DAYS, amount: float = 0.0) -> Example:
    return Example(name="e", given=(Given(event=event, days=days, amount=amount),), expect=expect)


def test_the_shipped_rules_keep_their_own_promises_and_raise_no_doubt() -> None:
    files = ["scoring.yaml"] * 3 + ["risk.yaml"] * 3 + ["tracking_plan.yaml"] * 3
    assert [(finding.level, finding.where) for finding in check_config(SHIPPED)] == [("ok", file) for file in files]


@pytest.mark.parametrize(
    "expected",
    [
        # docs/scoring.md, golden values
        Expected(day=20, churn_probability=0.117762, drop=0.082841),
        Expected(day=30, churn_probability=0.169161, drop=1.679746),
        Expected(day=50, churn_probability=0.278706, drop=4.873554),
        Expected(day=50, churn_probability=0.28, drop=4.9),
        Expected(day=20, engagement_score=59.02, band="warm"),
        Expected(day=20, engagement_score=59.0),
        Expected(day=20, churn_alert=False, drop_alert=False),
    ],
)
def test_what_is_true_makes_no_difference(expected: Expected) -> None:
    assert differences(SHIPPED.rules, example(expected)) == []


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expected(day=30, churn_probability=0.17), []),
        (Expected(day=30, churn_probability=0.18), ["on day 30 churn_probability is 0.17, not 0.18"]),
        (Expected(day=20, band="hot"), ["on day 20 band is warm, not hot"]),
        (Expected(day=20, churn_alert=True), ["on day 20 churn_alert is false, not true"]),
        (
            Expected(day=20.5, engagement_score=99.0, drop=3.0),
            ["on day 20.5 engagement_score is 59, not 99", "on day 20.5 drop is 0, not 3"],
        ),
    ],
)
def test_what_is_not_true_is_said_with_as_many_digits_as_were_written(expected: Expected, words: list[str]) -> None:
    assert differences(SHIPPED.rules, example(expected)) == words


def test_alerts_of_silence_are_part_of_an_example() -> None:
    every_other_day = tuple(float(day) for day in range(0, 31, 2))
    assert (
        differences(SHIPPED.rules, example(Expected(day=32, drop_alert=False), Expected(day=50, drop_alert=True), days=every_other_day))
        == []
    )


def test_an_event_of_the_same_moment_is_counted_before_the_expectation() -> None:
    assert differences(SHIPPED.rules, example(Expected(day=0, engagement_score=0.0), days=(0.0,))) == [
        "on day 0 engagement_score is 22, not 0",
    ]


def test_a_user_who_was_forgotten_begins_anew() -> None:
    forgotten = example(Expected(day=419, churn_probability=0.9), Expected(day=421, engagement_score=0.0, band="cold", churn_alert=False))
    assert differences(SHIPPED.rules, forgotten) == []


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (example(Expected(day=1), event="product_eaten"), "given[0].event"),
        (example(Expected(day=1), days=()), "given"),
        (example(Expected(day=1), days=(-1.0,)), "given[0].days"),
        (example(Expected(day=1), days=(float("nan"),)), "given[0].days"),
        (example(Expected(day=4000)), "expect[0].day"),
        (example(Expected(day=1), days=(2.0,)), "expect[0].day"),
        (example(Expected(day=30, band="lukewarm")), "expect[0].band"),
        (example(), "expect"),
    ],
)
def test_an_example_that_makes_no_sense_is_refused(broken: Example, path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        differences(SHIPPED.rules, broken)
    assert refused.value.path == path


def changed(part: str, **changes: Any) -> Settings:
    """The shipped settings with some fields of one part of the rules changed."""
    rules = msgspec.structs.replace(SHIPPED.rules, **{part: msgspec.structs.replace(getattr(SHIPPED.rules, part), **changes)})
    return msgspec.structs.replace(SHIPPED, rules=rules)


def test_a_rule_that_no_longer_keeps_its_promise_is_an_error_that_says_what_became_of_it() -> None:
    findings = [finding for finding in check_config(changed("scoring", a_ref=10.0)) if finding.level == "error"]
    assert [(finding.where, finding.text) for finding in findings] == [
        (
            "scoring.yaml",
            "example `seven visits in three weeks make a warm user`: on day 20 engagement_score is 41.86, not 59.02",
        ),
        ("scoring.yaml", "example `two months of silence turn the same user cool`: on day 80 band is cold, not cool"),
    ]


def test_an_example_that_makes_no_sense_is_an_error_of_its_file() -> None:
    broken = msgspec.structs.replace(SHIPPED, examples=(("risk.yaml", example(Expected(day=1), event="product_eaten")),))
    assert [tuple(finding)[:3] for finding in check_config(broken) if finding.level != "ok"] == [
        ("error", "risk.yaml", "example `e`: given[0].event: `product_eaten` is not an event of catalogue.yaml"),
    ]


def worthless() -> Settings:
    types = tuple(msgspec.structs.replace(entry, weight=0.0) for entry in SHIPPED.rules.catalogue.types)
    return changed("catalogue", types=types, custom_weight=0.0)


def plaintext_password() -> Settings:
    kafka = msgspec.structs.replace(SHIPPED.kafka.settings, security_protocol="SASL_PLAINTEXT")
    return msgspec.structs.replace(SHIPPED, kafka=msgspec.structs.replace(SHIPPED.kafka, settings=kafka))


def rebuilt_from_a_week() -> Settings:
    topics = {**SHIPPED.topics, "clickstream": msgspec.structs.replace(SHIPPED.topics["clickstream"], retention_days=7)}
    return msgspec.structs.replace(SHIPPED, topics=topics, worker=msgspec.structs.replace(SHIPPED.worker, durability="rebuild"))


@pytest.mark.parametrize(
    ("settings", "where", "words"),
    [
        (worthless(), "scoring.yaml", "no event is worth anything"),
        (changed("alerts", risk_steps=(0.2,)), "risk.yaml", "alerts.risk_steps has a step at or below churn.theta_on"),
        (changed("scoring", state_ttl_days=60), "streams.yaml", "state.ttl_days forgets silent users"),
        (changed("drop", min_active_days=5), "risk.yaml", "drop.min_active_days is below churn.min_active_days"),
        (rebuilt_from_a_week(), "topics.yaml", "the sources keep less than the longest window"),
        (plaintext_password(), "streams.yaml", "kafka.security_protocol SASL_PLAINTEXT sends events unencrypted"),
    ],
)
def test_numbers_that_look_like_a_mistake_are_doubted(settings: Settings, where: str, words: str) -> None:
    doubts = [finding for finding in check_config(settings) if finding.level == "warning"]
    assert [finding.where for finding in doubts] == [where]
    assert doubts[0].text.startswith(words)
    assert doubts[0].fix


def test_sources_that_are_kept_for_ever_are_long_enough() -> None:
    topics = {role: msgspec.structs.replace(spec, retention_days=None) for role, spec in SHIPPED.topics.items()}
    rebuilding = msgspec.structs.replace(SHIPPED, topics=topics, worker=msgspec.structs.replace(SHIPPED.worker, durability="rebuild"))
    assert {finding.level for finding in check_config(rebuilding)} == {"ok"}
