"""Everything a step may read besides records and state, as frozen structs. `config/*.yaml` decodes into these, nothing else does."""

from typing import Final, Literal

import msgspec

__all__ = [
    "CUSTOM",
    "DAY_MS",
    "FIRST_TYPE",
    "REVENUE",
    "SESSION",
    "WINDOWS",
    "Alerts",
    "Catalogue",
    "Churn",
    "Drop",
    "Emit",
    "EventType",
    "Limits",
    "Rules",
    "Scoring",
    "Topics",
]

#: Ids of the pane table that no catalogue entry may use (1..9 are ours; 0 is never used).
SESSION: Final = 1  # one per session begun
REVENUE: Final = 2  # signed sum of the numeric property, minor units
CUSTOM: Final = 3  # events whose name the catalogue does not know
FIRST_TYPE: Final = 10

DAY_MS: Final = 86_400_000

#: Window name -> (panes, pane width in minutes). A window at t is the panes floor(t/w)-n+1 .. floor(t/w), UTC.
WINDOWS: Final = {"5m": (5, 1), "1h": (60, 1), "24h": (24, 60), "7d": (7, 1440), "30d": (30, 1440)}


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strict and frozen: an unknown or missing field is an error that names its path."""


class Topics(_Frozen, frozen=True):
    """Names of the topics. The first three are read, in this lane order; the others are written."""

    clickstream: str = "engagement.clickstream.v1"
    campaigns: str = "engagement.campaigns.v1"
    rerouted: str = "engagement.rerouted.v1"
    scores: str = "engagement.scores.v1"
    segments: str = "engagement.segments.v1"
    alerts: str = "engagement.alerts.v1"
    triggers: str = "engagement.triggers.v1"
    metrics: str = "engagement.metrics.v1"
    journal: str = "engagement.journal.v1"
    dead: str = "engagement.dead.v1"

    @property
    def inputs(self) -> tuple[str, str, str]:
        """Input topics in lane order: records with equal append times are folded in this order."""
        return (self.clickstream, self.campaigns, self.rerouted)


class EventType(_Frozen, frozen=True):
    """One entry of the catalogue. `id` is stored in states for ever: never reuse one for another meaning.

    weight    log-points and `ces` weight; 0 = counted, not scored (no active day)
    aliases   other names of the same event (matched without regard to case, spaces, underscores and dashes)
    channel   for campaign events: email, sms, push, webpush, inapp
    amount    name of the numeric property that is summed (major units, e.g. `revenue`), or several names: the first one present counts
    sign      -1 for refunds
    """

    id: int
    name: str
    weight: float = 1.0
    aliases: tuple[str, ...] = ()
    channel: str | None = None
    amount: str | tuple[str, ...] | None = None
    sign: Literal[1, -1] = 1


class Catalogue(_Frozen, frozen=True):
    """All event types. `unknown`: events of a name that is not here are counted as `custom`, or rejected as `unknown_type`."""

    types: tuple[EventType, ...]
    unknown: Literal["custom", "reject"] = "custom"
    custom_weight: float = 1.0
    minor_units: int = 100


class Limits(_Frozen, frozen=True):
    """Bounds of one record; each violation is one closed reason. Sizes in bytes."""

    value_bytes: int = 65_536
    depth: int = 8
    properties: int = 64
    id_bytes: int = 256
    future_ms: int = 300_000  # a device clock five minutes fast is normal; more is a wrong clock
    clock_correction_ms: int = DAY_MS
    amount_minor: int = 1_000_000_000  # ten million in major units; a sum of 2**31 panes would need months of it
    reroute_hops: int = 3
    blocked_ids: tuple[str, ...] = (
        "",
        "0",
        "-1",
        "null",
        "nil",
        "none",
        "undefined",
        "nan",
        "anonymous",
        "guest",
        "unknown",
        "true",
        "false",
        "[object object]",
        "{}",
        "test",
        "user",
        "00000000-0000-0000-0000-000000000000",
    )


class Scoring(_Frozen, frozen=True):
    """Engagement score: docs/scoring.md. `bands` are the rising lower edges of the bands named by `band_names` (one more name)."""

    half_life_days: float = 28.0
    a_ref: float = 5.0
    bands: tuple[float, ...] = (20.0, 40.0, 60.0, 80.0)
    band_names: tuple[str, ...] = ("cold", "cool", "warm", "hot", "core")
    session_gap_ms: int = 1_800_000
    state_ttl_days: int = 400
    dedup_ids: int = 256
    state_bytes: int = 8192


class Churn(_Frozen, frozen=True):
    """Churn probability and its alert: docs/scoring.md. Alerted are users with m <= engaged_gap_days and x >= min_active_days."""

    horizon_days: float = 30.0
    m0_days: float = 7.0
    r0: float = 0.5
    theta_on: float = 0.30
    theta_off: float = 0.20
    min_active_days: int = 8
    engaged_gap_days: float = 7.5
    rearm_days: float = 15.0


class Drop(_Frozen, frozen=True):
    """Engagement drop of one user: docs/scoring.md (Poisson CUSUM)."""

    rho: float = 0.25
    h_on: float = 4.8
    h_off: float = 3.6  # one active day takes ln(rho) = -1.39 off: who comes back soon after the alert clears it with one visit
    min_active_days: int = 15
    rearm_days: float = 15.0


class Emit(_Frozen, frozen=True):
    """When a score leaves: docs/wire.md, "score"."""

    mode: Literal["meaningful", "step", "event"] = "meaningful"
    min_delta: float = 1.0
    max_interval_s: int = 900
    alert_max_age_s: int = 3600


class Alerts(_Frozen, frozen=True):
    """How loud an alert is: severity = steps reached on the risk ladder + steps reached on the value ladder.

    risk_steps   churn probabilities; each one reached raises the severity by one
    value_steps_minor   revenue of the last 30 days (else ever) in minor units; each one reached raises value band and severity by
    one
    """

    risk_steps: tuple[float, ...] = (0.5,)
    value_steps_minor: tuple[int, ...] = (10_000, 50_000)
    value_bands: tuple[str, ...] = ("low", "medium", "high")
    severities: tuple[str, ...] = ("info", "warning", "high", "critical")


class Rules(_Frozen, frozen=True, kw_only=True):
    """What a step reads. `version` is a hash of the content: equal rules have equal versions, on every machine."""

    version: str
    app_id: str
    partitions: int
    topics: Topics = Topics()
    catalogue: Catalogue
    limits: Limits = Limits()
    scoring: Scoring = Scoring()
    churn: Churn = Churn()
    drop: Drop = Drop()
    alerts: Alerts = Alerts()
    emit: Emit = Emit()
