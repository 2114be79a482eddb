"""The shape of each file of `config/`: strict and frozen, with the defaults of a field beside it."""

from typing import Literal

import msgspec

from streams.core.account_rules import Accounts
from streams.core.metric_rules import Metrics
from streams.core.rules import Alerts, Churn, Drop, Emit, Learning, Limits, Site

__all__ = [
    "Band",
    "Collect",
    "Example",
    "Expected",
    "Given",
    "Kafka",
    "Observe",
    "Proxy",
    "RiskFile",
    "ScoringFile",
    "Serve",
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
    fetch_max_wait_ms: int = 17
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


class Observe(_File, frozen=True, kw_only=True):
    """How it is watched, and what was promised; streams.yaml gives the reason of each number."""

    metrics: str | None = None
    freshness_slo_s: float = 30.0
    lag_slo_records: int = 100_000


class Collect(_File, frozen=True, kw_only=True):
    """What the collector takes; streams.yaml gives the reason of each number."""

    body_bytes: int = 512_000
    event_bytes: int = 32_768
    batch_events: int = 2_500
    answer_s: float = 10.0
    buffer_bytes: int = 67_108_864
    linger_ms: float = 2.0
    remembered: int = 200_000
    velocity_per_min: int = 600
    robots: bool = True


class State(_File, frozen=True, kw_only=True):
    """What is kept of one user."""

    ttl_days: int = 400
    dedup_ids: int = 256
    max_bytes: int = 8192


class Proxy(_File, frozen=True, kw_only=True):
    """A proxy that signs people in: from these addresses (networks in CIDR notation), and from no other, these headers are believed.

    user_header    who it is
    roles_header   what they may do, with commas between; a user of the users file has the roles that stand there instead
    """

    addresses: tuple[str, ...] = ()
    user_header: str = "x-forwarded-user"
    roles_header: str = "x-forwarded-groups"


class Serve(_File, frozen=True, kw_only=True):
    """Who may use the page and the API. Users and tokens come from the environment."""

    session_hours: float = 12.0
    timeline_entries: int = 200
    timeline_days: float = 90.0
    proxy: Proxy = Proxy()


class StreamsFile(_File, frozen=True, kw_only=True):
    """streams.yaml"""

    app_id: str = "engagement"
    kafka: Kafka = Kafka()
    worker: Worker = Worker()
    collect: Collect = Collect()
    emit: Emit = Emit()
    limits: Limits = Limits()
    observe: Observe = Observe()
    state: State = State()
    serve: Serve = Serve()


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
    identity: TopicSpec
    audit: TopicSpec
    accounts: TopicSpec
    quarantine: TopicSpec


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
    metrics: Metrics = Metrics()
    examples: tuple[Example, ...] = ()


class RiskFile(_File, frozen=True, kw_only=True):
    """risk.yaml"""

    churn: Churn = Churn()
    drop: Drop = Drop()
    learning: Learning = Learning()
    alerts: Alerts = Alerts()
    site: Site = Site()
    accounts: Accounts = Accounts()
    examples: tuple[Example, ...] = ()
