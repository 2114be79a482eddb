"""The shape of each file of `config/`: strict and frozen, with the defaults of a field beside it."""

from typing import Literal

import msgspec

from streams.core.rules import Alerts, Churn, Drop, Emit, Limits

__all__ = [
    "Band",
    "Example",
    "Expected",
    "Given",
    "Kafka",
    "RiskFile",
    "ScoringFile",
    "State",
    "StreamsFile",
    "TopicRoles",
    "TopicSpec",
    "TopicsFile",
    "Worker",
]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An unknown field is an error: a misspelt setting would silently keep its default."""


class Kafka(_File, frozen=True, kw_only=True):
    """How to speak to Kafka. The password comes from the environment."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    idempotence: bool = True


class Worker(_File, frozen=True, kw_only=True):
    """How a worker runs; streams.yaml gives the reason of each number."""

    profile: Literal["default", "fast"] = "default"
    fetch_min_bytes: int = 65_536
    fetch_max_wait_ms: int = 10
    max_batch_records: int = 8000
    due_limit: int = 500
    cache_users: int = 200_000
    buffer_bytes: int = 2_097_152
    timer_grace_s: float = 2.0
    session_timeout_s: float = 45.0
    dead_rate_max: float = 0.05
    dead_rate_min: int = 100
    on_gap: Literal["stop", "continue"] = "stop"
    durability: Literal["aof", "rebuild"] = "aof"
    redis_timeout_s: float = 5.0
    watchdog_s: float = 60.0
    stop_timeout_s: float = 10.0


class State(_File, frozen=True, kw_only=True):
    """What is kept of one user."""

    ttl_days: int = 400
    dedup_ids: int = 256
    max_bytes: int = 8192


class StreamsFile(_File, frozen=True, kw_only=True):
    """streams.yaml"""

    app_id: str = "engagement"
    kafka: Kafka = Kafka()
    worker: Worker = Worker()
    emit: Emit = Emit()
    limits: Limits = Limits()
    state: State = State()


class TopicSpec(_File, frozen=True, kw_only=True):
    """One topic as it should be. `retention_days` None: nothing is deleted by age."""

    name: str
    cleanup: Literal["delete", "compact", "compact,delete"]
    timestamp: Literal["LogAppendTime", "CreateTime"]
    max_bytes: int
    retention_days: float | None = None


class TopicRoles(_File, frozen=True, kw_only=True):
    """One topic per role: the fields of `core.rules.Topics`, in their order."""

    clickstream: TopicSpec
    campaigns: TopicSpec
    rerouted: TopicSpec
    scores: TopicSpec
    segments: TopicSpec
    alerts: TopicSpec
    triggers: TopicSpec
    metrics: TopicSpec
    journal: TopicSpec
    dead: TopicSpec


class TopicsFile(_File, frozen=True, kw_only=True):
    """topics.yaml"""

    partitions: int
    replication: int | None = None
    topics: TopicRoles


class Given(_File, frozen=True, kw_only=True):
    """Events of one name, one on each of `days` (0 is the first day, 0.5 noon of it)."""

    event: str
    days: tuple[float, ...]
    amount: float = 0.0


class Expected(_File, frozen=True, kw_only=True):
    """What is true on `day`; what is left out is not looked at."""

    day: float
    engagement_score: float | None = None
    band: str | None = None
    churn_probability: float | None = None
    drop: float | None = None
    churn_alert: bool | None = None
    drop_alert: bool | None = None


class Example(_File, frozen=True, kw_only=True):
    """A worked example of a rule file: given these events of one user, expect this."""

    name: str
    given: tuple[Given, ...]
    expect: tuple[Expected, ...]


class Band(_File, frozen=True, kw_only=True, rename={"start": "from"}):
    name: str
    start: float


class ScoringFile(_File, frozen=True, kw_only=True):
    """scoring.yaml"""

    half_life_days: float = 28.0
    a_ref: float = 5.0
    session_gap_minutes: float = 30.0
    bands: tuple[Band, ...]
    weights: dict[str, float] = {}
    examples: tuple[Example, ...] = ()


class RiskFile(_File, frozen=True, kw_only=True):
    """risk.yaml"""

    churn: Churn = Churn()
    drop: Drop = Drop()
    alerts: Alerts = Alerts()
    examples: tuple[Example, ...] = ()
