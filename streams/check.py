"""Whether everything is as it must be: the rules keep their promises, and Kafka and Redis are set up as the files say."""

from streams.core.rules import WINDOWS
from streams.errors import ConfigError
from streams.examples import differences
from streams.findings import Finding
from streams.plan_files import FILE as PLAN_FILE
from streams.plan_files import differences as plan_differences
from streams.settings import Settings
from streams.shell.inspection import check_services
from streams.shell.meta import claim_meta

__all__ = ["Finding", "check_config", "check_services", "claim_meta"]


def check_config(settings: Settings) -> list[Finding]:
    """Everything that can be said without a server: worked examples, and numbers that are allowed but look like a mistake."""
    return [*_examples(settings), *_doubts(settings)]


def _examples(settings: Settings) -> list[Finding]:
    findings = []
    for file, example in settings.examples:
        try:
            found = differences(settings.rules, example)
        except ConfigError as error:
            findings.append(Finding("error", file, f"example `{example.name}`: {error}", "Correct the example."))
            continue
        if found:
            fix = "Change the number that you did not mean to change, or the example."
            findings.append(Finding("error", file, f"example `{example.name}`: {'; '.join(found)}", fix))
        else:
            findings.append(Finding("ok", file, f"example `{example.name}` holds"))
    for planned in settings.plan_examples:
        found = plan_differences(settings.plan, planned)
        if found:
            fix = "Change the plan, or the example."
            findings.append(Finding("error", PLAN_FILE, f"example `{planned.name}`: {'; '.join(found)}", fix))
        else:
            findings.append(Finding("ok", PLAN_FILE, f"example `{planned.name}` holds"))
    return findings


def _doubts(settings: Settings) -> list[Finding]:
    rules, worker = settings.rules, settings.worker
    doubts: list[Finding] = []

    def doubt(when: bool, where: str, text: str, fix: str) -> None:
        if when:
            doubts.append(Finding("warning", where, text, fix))

    doubt(
        all(entry.weight == 0 for entry in rules.catalogue.types) and rules.catalogue.custom_weight == 0,
        "scoring.yaml",
        "no event is worth anything: every score stays 0 and no alert ever begins",
        "Give at least one event in `weights` a number above 0.",
    )
    doubt(
        any(step <= rules.churn.theta_on for step in rules.alerts.risk_steps),
        "risk.yaml",
        "alerts.risk_steps has a step at or below churn.theta_on, which every churn alert reaches",
        "Leave the step out, or raise it.",
    )
    doubt(
        rules.scoring.state_ttl_days <= 2 * rules.churn.horizon_days,
        "streams.yaml",
        "state.ttl_days forgets silent users before most churn alerts about them can begin",
        "Keep users for several times churn.horizon_days.",
    )
    doubt(
        rules.drop.min_active_days < rules.churn.min_active_days,
        "risk.yaml",
        "drop.min_active_days is below churn.min_active_days, although a drop needs a rhythm that is known better",
        "Raise drop.min_active_days.",
    )
    doubt(
        worker.durability == "rebuild"
        and any(_kept_days(settings, role) < _longest_window_days() for role in ("clickstream", "campaigns")),
        "topics.yaml",
        "the sources keep less than the longest window (30 days), so a state that is rebuilt from them lacks events",
        "Raise retention_days of clickstream and campaigns, or use `durability: aof`.",
    )
    doubt(
        settings.kafka.settings.security_protocol == "SASL_PLAINTEXT",
        "streams.yaml",
        "kafka.security_protocol SASL_PLAINTEXT sends events unencrypted, and with PLAIN the password too",
        "Use SASL_SSL.",
    )
    return doubts


def _kept_days(settings: Settings, role: str) -> float:
    days = settings.topics[role].retention_days
    return days if days is not None else float("inf")


def _longest_window_days() -> float:
    return max(panes * width_min for panes, width_min in WINDOWS.values()) / 1440
