"""What the types of the configuration cannot say: ranges, and fields that contradict each other. The first fault found is raised."""

import math
import re
from itertools import pairwise
from typing import Any, Final

from streams.configfile import did_you_mean
from streams.core.catalogue import CHANNELS, fold
from streams.core.rules import FIRST_TYPE, Catalogue
from streams.errors import ConfigError
from streams.settings_files import RiskFile, ScoringFile, StreamsFile, TopicsFile

__all__ = ["check_all"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_APP: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")
_PROPERTY: Final = re.compile(r"[\w.$-]{1,64}")

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
    "state.ttl_days": (31, 3_650),  # longer than the longest window
    "state.dedup_ids": (1, 512),  # eight bytes each: 512 are half of a state
    "state.max_bytes": (6_656, 65_536),  # below it a full state could not hold one pane of each type
}
_SCORING: Final[dict[str, tuple[float, float]]] = {
    "half_life_days": (0.5, 3_650),
    "a_ref": (0.001, 1_000_000),
    "session_gap_minutes": (1, 1_440),
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
}
_CATALOGUE: Final[dict[str, tuple[float, float]]] = {"custom_weight": (0, 10_000), "minor_units": (1, 1_000_000)}
_TOPICS: Final[dict[str, tuple[float, float]]] = {"partitions": (1, 10_000)}

_MAX_WEIGHT: Final = 10_000.0


def check_all(streams: StreamsFile, topics: TopicsFile, scoring: ScoringFile, risk: RiskFile, catalogue: Catalogue) -> None:
    """All files are sound, each alone and together; else `ConfigError` with file and path."""
    _streams(streams)
    _topics(topics, streams)
    _catalogue(catalogue)
    _scoring(scoring)
    _risk(risk)


def _ranges(file: str, struct: Any, bounds: dict[str, tuple[float, float]]) -> None:
    for path, (low, high) in bounds.items():
        value = struct
        for name in path.split("."):
            value = getattr(value, name)
        _range(file, path, value, low, high)


def _range(file: str, path: str, value: float, low: float, high: float) -> None:
    if not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"must be between {low:g} and {high:g}, got {value:g}", file=file, path=path)


def _require(sound: bool, file: str, path: str, message: str) -> None:
    if not sound:
        raise ConfigError(message, file=file, path=path)


def _streams(streams: StreamsFile) -> None:
    file, kafka, worker = "streams.yaml", streams.kafka, streams.worker
    _require(bool(_APP.fullmatch(streams.app_id)), file, "app_id", "must be letters, digits, dots, dashes and underscores, at most 100")
    _ranges(file, streams, _STREAMS)
    sasl = kafka.security_protocol.startswith("SASL")
    _require(
        sasl == (kafka.sasl_mechanism is not None),
        file,
        "kafka.sasl_mechanism",
        f"must {'' if sasl else 'not '}be set with security_protocol {kafka.security_protocol}",
    )
    _require(
        sasl == (kafka.sasl_username is not None),
        file,
        "kafka.sasl_username",
        f"must {'' if sasl else 'not '}be set with security_protocol {kafka.security_protocol}",
    )
    _require(
        (kafka.ssl_certfile is None) == (kafka.ssl_keyfile is None), file, "kafka.ssl_keyfile", "must be set together with ssl_certfile"
    )
    _require(
        worker.stop_timeout_s < worker.session_timeout_s,
        file,
        "worker.stop_timeout_s",
        f"must be below session_timeout_s ({worker.session_timeout_s:g}), got {worker.stop_timeout_s:g}: another worker would take over",
    )
    _require(
        worker.redis_timeout_s < worker.watchdog_s,
        file,
        "worker.watchdog_s",
        f"must be above redis_timeout_s ({worker.redis_timeout_s:g}), got {worker.watchdog_s:g}: a slow Redis would look like a hang",
    )
    _require(
        streams.limits.value_bytes <= worker.buffer_bytes,
        file,
        "worker.buffer_bytes",
        "must be at least limits.value_bytes: no record could be read",
    )


def _topics(topics: TopicsFile, streams: StreamsFile) -> None:
    file = "topics.yaml"
    _ranges(file, topics, _TOPICS)
    if topics.replication is not None:
        _range(file, "replication", topics.replication, 1, 32)
    names: dict[str, str] = {}
    for role in topics.topics.__struct_fields__:
        spec, path = getattr(topics.topics, role), f"topics.{role}"
        _require(
            bool(_TOPIC.fullmatch(spec.name)) and spec.name not in (".", ".."),
            file,
            f"{path}.name",
            "must be letters, digits, dots, dashes and underscores, at most 249",
        )
        _require(spec.name not in names, file, f"{path}.name", f"is already the name of topics.{names.get(spec.name)}")
        names[spec.name] = role
        _range(file, f"{path}.max_bytes", spec.max_bytes, 4_096, 64 << 20)
        if spec.retention_days is not None:
            _range(file, f"{path}.retention_days", spec.retention_days, 0.01, 36_500)
            _require("delete" in spec.cleanup, file, f"{path}.retention_days", "has no effect with `cleanup: compact`")
    roles = topics.topics
    for role in ("clickstream", "campaigns", "rerouted", "journal"):
        spec = getattr(roles, role)
        _require(
            spec.timestamp == "LogAppendTime",
            file,
            f"topics.{role}.timestamp",
            "must be LogAppendTime: the order of records and their age are the broker's",
        )
        _require(spec.cleanup == "delete", file, f"topics.{role}.cleanup", "must be delete: compaction would remove events")
    for role in ("scores", "segments"):
        _require(
            "compact" in getattr(roles, role).cleanup,
            file,
            f"topics.{role}.cleanup",
            "must be compact: readers look up the newest record of a user",
        )
    sources = (roles.clickstream, roles.campaigns)
    kept_days = max(spec.retention_days or math.inf for spec in sources)
    for role in ("rerouted", "journal"):
        days = getattr(roles, role).retention_days or math.inf
        _require(
            days >= kept_days,
            file,
            f"topics.{role}.retention_days",
            f"must be at least that of the sources ({kept_days:g}), got {days:g}: a rebuild would miss records",
        )
    largest = max(spec.max_bytes for spec in sources)
    for role in ("rerouted", "dead"):
        size = getattr(roles, role).max_bytes
        _require(
            size > largest,
            file,
            f"topics.{role}.max_bytes",
            f"must be above that of the sources ({largest}), got {size}: a record grows by its headers",
        )
    _require(
        streams.limits.value_bytes <= largest,
        "streams.yaml",
        "limits.value_bytes",
        f"must be at most max_bytes of the sources ({largest}), got {streams.limits.value_bytes}",
    )


def _catalogue(catalogue: Catalogue) -> None:
    file = "catalogue.yaml"
    _ranges(file, catalogue, _CATALOGUE)
    _require(bool(catalogue.types), file, "types", "must hold at least one event")
    ids: dict[int, str] = {}
    names: dict[str, str] = {}
    for number, entry in enumerate(catalogue.types):
        path = f"types[{number}]"
        _require(FIRST_TYPE <= entry.id <= 255, file, f"{path}.id", f"must be between {FIRST_TYPE} and 255, got {entry.id}")
        _require(entry.id not in ids, file, f"{path}.id", f"{entry.id} is already the id of {ids.get(entry.id)}")
        ids[entry.id] = entry.name
        _require(
            bool(_NAME.fullmatch(entry.name)),
            file,
            f"{path}.name",
            "must be lower case letters, digits and underscores, at most 64, beginning with a letter",
        )
        own: set[str] = set()
        spellings: set[str] = set()
        for index, name in enumerate((entry.name, *entry.aliases)):
            spot = f"{path}.aliases[{index - 1}]" if index else f"{path}.name"
            key = fold(name)
            _require(bool(key) and len(name) <= 256, file, spot, "must be a name of at most 256 characters")
            _require(key not in names, file, spot, f"`{name}` is already a name of {names.get(key)}")
            _require(name not in spellings, file, spot, f"`{name}` stands here twice")
            spellings.add(name)
            own.add(key)
        names |= dict.fromkeys(own, entry.name)
        if entry.channel is not None:
            hint = did_you_mean(entry.channel, CHANNELS)
            _require(entry.channel in CHANNELS, file, f"{path}.channel", f"must be one of {', '.join(CHANNELS)}, got {entry.channel}{hint}")
            _require(entry.name.startswith(f"{entry.channel}_"), file, f"{path}.name", f"must begin with `{entry.channel}_`, its channel")
        amounts = (entry.amount,) if isinstance(entry.amount, str) else entry.amount or ()
        _require(
            entry.amount is None or (bool(amounts) and all(map(_PROPERTY.fullmatch, amounts))),
            file,
            f"{path}.amount",
            "must be the name of a property",
        )
        _require(entry.sign == 1 or entry.amount is not None, file, f"{path}.sign", "has no effect without an amount")
        _range(file, f"{path}.weight", entry.weight, 0, _MAX_WEIGHT)


def _scoring(scoring: ScoringFile) -> None:
    file = "scoring.yaml"
    _ranges(file, scoring, _SCORING)
    _require(len(scoring.bands) >= 2, file, "bands", "must be two at least")
    _require(len(scoring.bands) <= 16, file, "bands", "must be sixteen at most")
    _require(scoring.bands[0].start == 0, file, "bands[0].from", f"must be 0, where the score begins, got {scoring.bands[0].start:g}")
    names: set[str] = set()
    for number, band in enumerate(scoring.bands):
        _require(bool(_NAME.fullmatch(band.name)), file, f"bands[{number}].name", "must be lower case letters, digits and underscores")
        _require(band.name not in names, file, f"bands[{number}].name", f"`{band.name}` is already the name of a band")
        names.add(band.name)
        below = scoring.bands[number - 1].start if number else -1.0
        _require(
            below < band.start < 100, file, f"bands[{number}].from", f"must be above {max(below, 0):g} and below 100, got {band.start:g}"
        )
    for name, weight in scoring.weights.items():
        _range(file, f"weights.{name}", weight, 0, _MAX_WEIGHT)


def _risk(risk: RiskFile) -> None:
    file, churn, drop, alerts = "risk.yaml", risk.churn, risk.drop, risk.alerts
    _ranges(file, risk, _RISK)
    _require(
        churn.theta_on > churn.theta_off, file, "churn.theta_on", f"must be above theta_off ({churn.theta_off:g}), got {churn.theta_on:g}"
    )
    _require(drop.h_on > drop.h_off, file, "drop.h_on", f"must be above h_off ({drop.h_off:g}), got {drop.h_on:g}")
    for name, steps in (("risk_steps", alerts.risk_steps), ("value_steps_minor", alerts.value_steps_minor)):
        path = f"alerts.{name}"
        _require(all(math.isfinite(step) and step > 0 for step in steps), file, path, "must be above 0")
        _require(all(low < high for low, high in pairwise(steps)), file, path, "must rise from step to step")
    _require(all(step < 1 for step in alerts.risk_steps), file, "alerts.risk_steps", "must be below 1: they are probabilities")
    bands, severities = len(alerts.value_steps_minor) + 1, len(alerts.risk_steps) + len(alerts.value_steps_minor) + 1
    _require(
        len(alerts.value_bands) == bands,
        file,
        "alerts.value_bands",
        f"must be {bands} names (one more than value_steps_minor), got {len(alerts.value_bands)}",
    )
    _require(
        len(alerts.severities) == severities,
        file,
        "alerts.severities",
        f"must be {severities} names (one more than all steps together), got {len(alerts.severities)}",
    )
    for name, names in (("value_bands", alerts.value_bands), ("severities", alerts.severities)):
        _require(len(set(names)) == len(names) and all(names), file, f"alerts.{name}", "must be different names")
