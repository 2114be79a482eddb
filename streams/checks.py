"""What the types of the configuration cannot say: ranges, and fields that contradict each other. The first fault found is raised."""

import ipaddress
import math
import re
from itertools import pairwise
from typing import Final

from streams.catalogue_checks import MAX_WEIGHT, check_catalogue
from streams.configfile import NAME, did_you_mean, in_range, in_ranges, require
from streams.core.metric_rules import Metrics
from streams.core.profile import STREAKS_MAX
from streams.core.rules import Catalogue
from streams.risk_checks import check_accounts, check_site
from streams.settings_files import RiskFile, ScoringFile, StreamsFile, TopicsFile

__all__ = ["check_all"]

_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_APP: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")

#: Path -> lowest and highest value, both allowed. The bounds are where a number stops making sense, not where it stops being wise.
_STREAMS: Final[dict[str, tuple[float, float]]] = {
    "worker.fetch_min_bytes": (1, 52_428_800),
    "worker.fetch_max_wait_ms": (1, 5_000),
    "worker.max_batch_records": (1, 100_000),
    "worker.due_limit": (1, 100_000),
    "worker.cache_users": (0, 100_000_000),
    "worker.buffer_bytes": (1 << 20, 1 << 32),
    "worker.timer_grace_s": (0, 3_600),
    "worker.session_timeout_s": (1, 1_800),
    "worker.dead_rate_max": (0, 1),
    "worker.dead_rate_min": (1, 1_000_000_000),
    "worker.redis_timeout_s": (0.1, 600),
    "worker.watchdog_s": (5, 86_400),
    "worker.stop_timeout_s": (1, 600),
    "collect.body_bytes": (1_024, 64 << 20),
    "collect.event_bytes": (256, 8 << 20),
    "collect.batch_events": (1, 1_000_000),
    "collect.answer_s": (0.1, 600),
    "collect.buffer_bytes": (1 << 20, 1 << 34),
    "collect.linger_ms": (0, 1_000),
    "collect.remembered": (0, 10_000_000),
    "collect.velocity_per_min": (0, 1_000_000_000),
    "emit.min_delta": (0, 100),
    "emit.max_interval_s": (1, 31_536_000),
    "emit.alert_max_age_s": (1, 31_536_000),
    "limits.value_bytes": (256, 8 << 20),
    "limits.depth": (2, 64),  # the parser recurses: 64 levels fit on any stack
    "limits.properties": (1, 10_000),
    "limits.id_bytes": (8, 1_024),
    "limits.future_ms": (0, 86_400_000),
    "limits.clock_correction_ms": (0, 31 * 86_400_000),
    "limits.amount_minor": (1, 1 << 31),  # a pane holds signed 40 bits, and goes on in a second entry
    "limits.reroute_hops": (1, 16),
    "observe.freshness_slo_s": (0.1, 86_400),
    "observe.lag_slo_records": (1, 1_000_000_000),
    "serve.session_hours": (0.1, 720),
    "serve.timeline_entries": (0, 1000),
    "serve.timeline_days": (0.01, 400),
    "state.ttl_days": (31, 3_650),  # longer than the longest window
    "state.dedup_ids": (1, 512),  # eight bytes each: 512 are half of a state
    "state.max_bytes": (8_000, 65_536),  # below it a full state could not hold one pane of each type
}
_SCORING: Final[dict[str, tuple[float, float]]] = {
    "half_life_days": (0.5, 3_650),
    "a_ref": (0.001, 1_000_000),
    "metrics.stages.new_days": (1, 365),
    "metrics.stages.slipping_gaps": (0.5, 100),
    "metrics.stages.slipping_min_days": (1, 365),
    "metrics.stages.dormant_days": (2, 365),
    "metrics.stages.resurrected_days": (1, 365),
    "metrics.stages.power_from": (1, 99.9),
    "metrics.stages.power_below": (1, 99.9),
    "metrics.purchase.horizon_days": (0.5, 365),
    "metrics.purchase.half_life_days": (1, 3_650),
    "metrics.purchase.r0": (0.0001, 100),
    "metrics.purchase.a0_days": (1, 3_650),
    "metrics.value.max_months": (1, 600),
    "metrics.activation.visits": (0, 1000),
    "metrics.activation.funnel": (0, 1000),
    "metrics.activation.breadth": (0, 1000),
    "metrics.activation.visits_full": (0.01, 1),
    "metrics.activation.breadth_full": (1, 64),
    "metrics.monetization.orders": (0, 1000),
    "metrics.monetization.revenue": (0, 1000),
    "metrics.monetization.average_order": (0, 1000),
    "metrics.monetization.orders_half": (0.01, 1_000_000),
    "metrics.monetization.revenue_half_minor": (1, 1e12),
    "metrics.monetization.average_half_minor": (1, 1e12),
    "metrics.retention.rhythm": (0, 1000),
    "metrics.retention.safety": (0, 1000),
    "metrics.retention.rhythm_gaps": (0.1, 100),
    "session_gap_minutes": (6, 1_440),  # 30 days of shorter sessions would not fit where their marks are counted
}
_RISK: Final[dict[str, tuple[float, float]]] = {
    "churn.horizon_days": (1, 365),
    "churn.m0_days": (0.01, 365),
    "churn.r0": (0.01, 10),
    "churn.theta_on": (0.001, 0.999),
    "churn.theta_off": (0, 0.998),
    "churn.min_active_days": (1, 3_650),
    "churn.engaged_gap_days": (0.1, 365),
    "churn.rearm_days": (0, 365),
    "drop.rho": (0.01, 0.99),
    "drop.h_on": (0.1, 40),  # the statistic is capped at 40
    "drop.h_off": (0, 40),
    "drop.min_active_days": (2, 3_650),
    "drop.rearm_days": (0, 365),
    "site.theta": (0.5, 40),
    "site.theta_parts": (0.5, 40),
    "site.max_series": (1, 2_000),
    "site.broken_below": (0, 0.9),
    "site.others_above": (0.1, 1),
    "site.others_share": (0, 0.9),
    "site.source_silence_minutes": (2, 1_440),  # a lane says once a minute how far it has seen
    "site.source_min_per_minute": (0.001, 1_000_000),
    "alerts.cooldown_hours": (0, 8_760),
    "alerts.max_per_day": (1, 2),
    "alerts.group_from": (0, 10_000_000),
    "learning.sample_one_in": (1, 10_000),
    "learning.min_active_days": (2, 3_650),
    "learning.min_labels": (1, 1_000_000),
    "learning.budget_off": (0.001, 0.999),
    "learning.budget_step": (0.0001, 0.1),
    "accounts.members": (1, 200),
    "accounts.told_points": (0.1, 10),  # below it a busy day would be told event by event
    "accounts.baseline_days": (28, 84),  # an account keeps no more
    "accounts.min_days": (14, 84),  # fewer weeks could not show how much they differ
    "accounts.h_on": (0.1, 100),
    "accounts.h_off": (0, 100),
    "accounts.fall_to": (0, 0.99),
    "accounts.back_at": (0.01, 1),
    "accounts.rearm_days": (0, 365),
}
_TOPICS: Final[dict[str, tuple[float, float]]] = {"partitions": (1, 10_000)}


def check_all(streams: StreamsFile, topics: TopicsFile, scoring: ScoringFile, risk: RiskFile, catalogue: Catalogue) -> None:
    """All files are sound, each alone and together; else `ConfigError` with file and path."""
    _streams(streams)
    _topics(topics, streams)
    check_catalogue(catalogue)
    _scoring(scoring)
    _metrics(scoring.metrics, catalogue)
    _risk(risk)


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _streams(streams: StreamsFile) -> None:
    file, kafka, worker = "streams.yaml", streams.kafka, streams.worker
    require(bool(_APP.fullmatch(streams.app_id)), file, "app_id", "must be letters, digits, dots, dashes and underscores, at most 100")
    in_ranges(file, streams, _STREAMS)
    for number, text in enumerate(streams.serve.proxy.addresses):
        require(_network(text), file, f"serve.proxy.addresses[{number}]", f"must be an address or a network such as 10.0.0.0/8, got {text}")
    sasl = kafka.security_protocol.startswith("SASL")
    require(
        sasl == (kafka.sasl_mechanism is not None),
        file,
        "kafka.sasl_mechanism",
        f"must {'' if sasl else 'not '}be set with security_protocol {kafka.security_protocol}",
    )
    require(
        sasl == (kafka.sasl_username is not None),
        file,
        "kafka.sasl_username",
        f"must {'' if sasl else 'not '}be set with security_protocol {kafka.security_protocol}",
    )
    require(
        (kafka.ssl_certfile is None) == (kafka.ssl_keyfile is None), file, "kafka.ssl_keyfile", "must be set together with ssl_certfile"
    )
    require(
        worker.stop_timeout_s < worker.session_timeout_s,
        file,
        "worker.stop_timeout_s",
        f"must be below session_timeout_s ({worker.session_timeout_s:g}), got {worker.stop_timeout_s:g}: another worker would take over",
    )
    require(
        worker.redis_timeout_s < worker.watchdog_s,
        file,
        "worker.watchdog_s",
        f"must be above redis_timeout_s ({worker.redis_timeout_s:g}), got {worker.watchdog_s:g}: a slow Redis would look like a hang",
    )
    require(
        streams.limits.value_bytes <= worker.buffer_bytes,
        file,
        "worker.buffer_bytes",
        "must be at least limits.value_bytes: no record could be read",
    )


def _topics(topics: TopicsFile, streams: StreamsFile) -> None:
    file = "topics.yaml"
    in_ranges(file, topics, _TOPICS)
    if topics.replication is not None:
        in_range(file, "replication", topics.replication, 1, 32)
    names: dict[str, str] = {}
    for role in topics.topics.__struct_fields__:
        spec, path = getattr(topics.topics, role), f"topics.{role}"
        require(
            bool(_TOPIC.fullmatch(spec.name)) and spec.name not in (".", ".."),
            file,
            f"{path}.name",
            "must be letters, digits, dots, dashes and underscores, at most 249",
        )
        require(spec.name not in names, file, f"{path}.name", f"is already the name of topics.{names.get(spec.name)}")
        names[spec.name] = role
        in_range(file, f"{path}.max_bytes", spec.max_bytes, 4_096, 64 << 20)
        if spec.retention_days is not None:
            in_range(file, f"{path}.retention_days", spec.retention_days, 0.01, 36_500)
            require("delete" in spec.cleanup, file, f"{path}.retention_days", "has no effect with `cleanup: compact`")
    roles = topics.topics
    for role in ("clickstream", "campaigns", "rerouted", "journal"):
        spec = getattr(roles, role)
        require(
            spec.timestamp == "LogAppendTime",
            file,
            f"topics.{role}.timestamp",
            "must be LogAppendTime: the order of records and their age are the broker's",
        )
        require(spec.cleanup == "delete", file, f"topics.{role}.cleanup", "must be delete: compaction would remove events")
    for role in ("scores", "segments"):
        require(
            "compact" in getattr(roles, role).cleanup,
            file,
            f"topics.{role}.cleanup",
            "must be compact: readers look up the newest record of a user",
        )
    sources = (roles.clickstream, roles.campaigns)
    kept_days = max(spec.retention_days or math.inf for spec in sources)
    for role in ("rerouted", "journal"):
        days = getattr(roles, role).retention_days or math.inf
        require(
            days >= kept_days,
            file,
            f"topics.{role}.retention_days",
            f"must be at least that of the sources ({kept_days:g}), got {days:g}: a rebuild would miss records",
        )
    largest = max(spec.max_bytes for spec in sources)
    for role in ("rerouted", "dead"):
        size = getattr(roles, role).max_bytes
        require(
            size > largest,
            file,
            f"topics.{role}.max_bytes",
            f"must be above that of the sources ({largest}), got {size}: a record grows by its headers",
        )
    _collect(streams, topics)
    require(
        streams.limits.value_bytes <= largest,
        "streams.yaml",
        "limits.value_bytes",
        f"must be at most max_bytes of the sources ({largest}), got {streams.limits.value_bytes}",
    )


#: What the collector adds to an event and to its record, at the most: two times, a context, headers.
_ADDED_BYTES: Final = 4_096


def _collect(streams: StreamsFile, topics: TopicsFile) -> None:
    """What the collector takes fits on the topics: it could not be delivered, whoever tried again."""
    file, collect, roles = "streams.yaml", streams.collect, topics.topics
    smallest = min(roles.clickstream.max_bytes, roles.campaigns.max_bytes, roles.quarantine.max_bytes)
    most = min(streams.limits.value_bytes, smallest) - _ADDED_BYTES
    require(
        collect.event_bytes <= most,
        file,
        "collect.event_bytes",
        f"must be at most {most} (limits.value_bytes, or max_bytes of the topics, with room for what is added), got {collect.event_bytes}",
    )
    most = roles.dead.max_bytes - _ADDED_BYTES
    require(
        collect.body_bytes <= most,
        file,
        "collect.body_bytes",
        f"must be at most {most} (max_bytes of the dead letters, with room for what is added), got {collect.body_bytes}",
    )


def _scoring(scoring: ScoringFile) -> None:
    file = "scoring.yaml"
    in_ranges(file, scoring, _SCORING)
    require(len(scoring.bands) >= 2, file, "bands", "must be two at least")
    require(len(scoring.bands) <= 16, file, "bands", "must be sixteen at most")
    require(scoring.bands[0].start == 0, file, "bands[0].from", f"must be 0, where the score begins, got {scoring.bands[0].start:g}")
    names: set[str] = set()
    for number, band in enumerate(scoring.bands):
        require(bool(NAME.fullmatch(band.name)), file, f"bands[{number}].name", "must be lower case letters, digits and underscores")
        require(band.name not in names, file, f"bands[{number}].name", f"`{band.name}` is already the name of a band")
        names.add(band.name)
        below = scoring.bands[number - 1].start if number else -1.0
        require(
            below < band.start < 100, file, f"bands[{number}].from", f"must be above {max(below, 0):g} and below 100, got {band.start:g}"
        )
    for name, weight in scoring.weights.items():
        in_range(file, f"weights.{name}", weight, 0, MAX_WEIGHT)


def _metrics(metrics: Metrics, catalogue: Catalogue) -> None:
    file, stages = "scoring.yaml", metrics.stages
    names = {entry.name for entry in catalogue.types}
    below = stages.power_below
    require(stages.power_from > below, file, "metrics.stages.power_from", f"must be above power_below ({below:g})")
    if metrics.value.margin is not None:
        in_range(file, "metrics.value.margin", metrics.value.margin, 0, 1)
    for name, edges in (("frequency", metrics.rfm.frequency), ("monetary_minor", metrics.rfm.monetary_minor)):
        require(all(low < high for low, high in pairwise(edges)), file, f"metrics.rfm.{name}", "must rise from edge to edge")
    falling = all(high > low for high, low in pairwise(metrics.rfm.recency_days))
    require(falling, file, "metrics.rfm.recency_days", "must fall from edge to edge: fewer days are better")
    activation, money, stays = metrics.activation, metrics.monetization, metrics.retention
    weights = activation.visits + activation.breadth + (activation.funnel if activation.steps else 0)
    require(weights > 0, file, "metrics.activation", "must have a part with a weight")
    require(money.orders + money.revenue + money.average_order > 0, file, "metrics.monetization", "must have a part with a weight")
    require(stays.rhythm + stays.safety > 0, file, "metrics.retention", "must have a part with a weight")
    for number, name in enumerate(activation.steps):
        hint = did_you_mean(name, names)
        require(name in names, file, f"metrics.activation.steps[{number}]", f"must be an event of catalogue.yaml, got {name}{hint}")
    _streaks(metrics, names)


def _streaks(metrics: Metrics, names: set[str]) -> None:
    file = "scoring.yaml"
    require(len(metrics.streaks) <= STREAKS_MAX, file, "metrics.streaks", f"must be {STREAKS_MAX} at most: each takes room in every user")
    seen: set[object] = set()
    for number, streak in enumerate(metrics.streaks):
        path = f"metrics.streaks[{number}]"
        in_range(file, f"{path}.id", streak.id, 0, 255)
        in_range(file, f"{path}.days", streak.days, 2, 3_650)
        require(bool(NAME.fullmatch(streak.name)), file, f"{path}.name", "must be lower case letters, digits and underscores")
        for key in (streak.id, streak.name):
            require(key not in seen, file, path, f"{key} is already the id or the name of another streak")
            seen.add(key)
        hint = did_you_mean(streak.event, names)
        require(streak.event in names, file, f"{path}.event", f"must be an event of catalogue.yaml, got {streak.event}{hint}")
        for field in ("after", "before"):
            require(bool(_CLOCK.fullmatch(getattr(streak, field))), file, f"{path}.{field}", "must be a time of day, 00:00 to 24:00")
        require(streak.after < streak.before, file, f"{path}.before", f"must be later than after ({streak.after})")


def _risk(risk: RiskFile) -> None:
    file, churn, drop, alerts = "risk.yaml", risk.churn, risk.drop, risk.alerts
    in_ranges(file, risk, _RISK)
    require(
        churn.theta_on > churn.theta_off, file, "churn.theta_on", f"must be above theta_off ({churn.theta_off:g}), got {churn.theta_on:g}"
    )
    require(drop.h_on > drop.h_off, file, "drop.h_on", f"must be above h_off ({drop.h_off:g}), got {drop.h_on:g}")
    if risk.learning.budget is not None:
        in_range(file, "learning.budget", risk.learning.budget, 0.001, 0.5)
        require(
            risk.learning.budget_off >= risk.learning.budget,
            file,
            "learning.budget_off",
            f"must be at least budget ({risk.learning.budget:g}): an alert ends at a lower threshold than it begins",
        )
    for name, steps in (("risk_steps", alerts.risk_steps), ("value_steps_minor", alerts.value_steps_minor)):
        path = f"alerts.{name}"
        require(all(math.isfinite(step) and step > 0 for step in steps), file, path, "must be above 0")
        require(all(low < high for low, high in pairwise(steps)), file, path, "must rise from step to step")
    require(all(step < 1 for step in alerts.risk_steps), file, "alerts.risk_steps", "must be below 1: they are probabilities")
    bands, severities = len(alerts.value_steps_minor) + 1, len(alerts.risk_steps) + len(alerts.value_steps_minor) + 1
    require(
        len(alerts.value_bands) == bands,
        file,
        "alerts.value_bands",
        f"must be {bands} names (one more than value_steps_minor), got {len(alerts.value_bands)}",
    )
    require(
        len(alerts.severities) == severities,
        file,
        "alerts.severities",
        f"must be {severities} names (one more than all steps together), got {len(alerts.severities)}",
    )
    for name, names in (("value_bands", alerts.value_bands), ("severities", alerts.severities)):
        require(len(set(names)) == len(names) and all(names), file, f"alerts.{name}", "must be different names")
    check_site(risk.site, file)
    check_accounts(risk.accounts, file)
