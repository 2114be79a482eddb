"""Everything a step may read besides records and state, as frozen structs. `config/*.yaml` decodes into these, nothing else does."""

from typing import Final, Literal

from streams.core.account_rules import Accounts
from streams.core.business_rules import BusinessRules
from streams.core.catalogue_rules import Aggregate, Bounds, Catalogue, Condition, Counter, EventType, PropertyNames, Role
from streams.core.frozen import Frozen
from streams.core.metric_rules import Metrics
from streams.core.planned import TrackingPlan
from streams.core.zones import Zones

__all__ = [
    "CUSTOM",
    "DAY_MS",
    "DWELL",
    "FIRST_TYPE",
    "MARKS",
    "REVENUE",
    "SESSION",
    "WINDOWS",
    "Aggregate",
    "Alerts",
    "Bounds",
    "Catalogue",
    "Churn",
    "Condition",
    "Counter",
    "Drop",
    "Emit",
    "EventType",
    "Learning",
    "Limits",
    "Mute",
    "PropertyNames",
    "Role",
    "Rules",
    "Scoring",
    "Site",
    "Topics",
]

#: Ids of the pane table that no catalogue entry may use (1..9 are ours; 0 is never used).
SESSION: Final = 1  # one per session begun
REVENUE: Final = 2  # signed sum of the numeric property, minor units
CUSTOM: Final = 3  # events whose name the catalogue does not know
DWELL: Final = 4  # time in sessions, milliseconds
MARKS: Final = 5  # active, engaged and bounced sessions: `streams.core.sessions.marked`
FIRST_TYPE: Final = 10

DAY_MS: Final = 86_400_000

#: Window name -> (panes, pane width in minutes). A window at t is the panes floor(t/w)-n+1 .. floor(t/w), UTC.
WINDOWS: Final = {"5m": (5, 1), "1h": (60, 1), "24h": (24, 60), "7d": (7, 1440), "30d": (30, 1440)}


class Topics(Frozen, frozen=True):
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
    identity: str = "engagement.identity.v1"
    audit: str = "engagement.audit.v1"
    accounts: str = "engagement.accounts.v1"
    quarantine: str = "engagement.quarantine.v1"

    @property
    def inputs(self) -> tuple[str, str, str]:
        """Input topics in lane order: records with equal append times are folded in this order."""
        return (self.clickstream, self.campaigns, self.rerouted)


class Limits(Frozen, frozen=True):
    """Bounds of one record; each violation is one closed reason. Sizes in bytes."""

    value_bytes: int = 65_536
    depth: int = 8
    properties: int = 64
    id_bytes: int = 256
    future_ms: int = 300_000  # a device clock five minutes fast is normal; more is a wrong clock
    clock_correction_ms: int = DAY_MS
    amount_minor: int = 1_000_000_000  # ten million in major units; a sum of 2**31 panes would need months of it
    reroute_hops: int = 3
    allow_alias: bool = False  # two known users are two people, unless whoever sends aliases can be trusted with it
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


class Scoring(Frozen, frozen=True):
    """Engagement score: docs/scoring.md. `bands` are the rising lower edges of the bands named by `band_names` (one more name)."""

    half_life_days: float = 28.0
    a_ref: float = 5.0
    bands: tuple[float, ...] = (20.0, 40.0, 60.0, 80.0)
    band_names: tuple[str, ...] = ("cold", "cool", "warm", "hot", "core")
    session_gap_ms: int = 1_800_000
    state_ttl_days: int = 400
    dedup_ids: int = 256
    state_bytes: int = 8192


class Churn(Frozen, frozen=True):
    """Churn probability and its alert: docs/scoring.md. Alerted are users with m <= engaged_gap_days and x >= min_active_days."""

    horizon_days: float = 30.0
    m0_days: float = 7.0
    r0: float = 0.5
    theta_on: float = 0.30
    theta_off: float = 0.20
    min_active_days: int = 8
    engaged_gap_days: float = 7.5
    rearm_days: float = 15.0


class Drop(Frozen, frozen=True):
    """Engagement drop of one user: docs/scoring.md (Poisson CUSUM)."""

    rho: float = 0.25
    h_on: float = 4.8
    h_off: float = 3.6  # one active day takes ln(rho) = -1.39 off: who comes back soon after the alert clears it with one visit
    min_active_days: int = 15
    rearm_days: float = 15.0


class Learning(Frozen, frozen=True):
    """What is learned from the population, a month late: docs/scoring.md. Off, the constants of `Scoring` and `Churn` stay for ever.

    sample_one_in   users looked at each week: one in so many, drawn anew each week
    min_active_days users with fewer active days are not looked at
    min_labels      lost users and users who stayed, of either kind, before anything learned is used
    budget          share of engaged users who may be above `theta_on` at a time; None leaves both thetas as configured
    budget_off      the same for `theta_off`
    budget_step     how far one user moves a theta at the most
    """

    enabled: bool = True
    sample_one_in: int = 4
    min_active_days: int = 3
    min_labels: int = 100
    budget: float | None = 0.10
    budget_off: float = 0.16
    budget_step: float = 0.01


class Emit(Frozen, frozen=True):
    """When a score leaves: docs/wire.md, "score"."""

    mode: Literal["meaningful", "step", "event"] = "meaningful"
    min_delta: float = 1.0
    max_interval_s: int = 900
    alert_max_age_s: int = 3600


class Alerts(Frozen, frozen=True):
    """How loud an alert is: severity = steps reached on the risk ladder + steps reached on the value ladder.

    risk_steps   churn probabilities; each one reached raises the severity by one
    value_steps_minor   revenue of the last 30 days (else ever) in minor units; each one reached raises value band and severity by
    one
    cooldown_hours      between two alerts of one user, whatever they are about; the later one waits
    max_per_day         alerts of one user that begin on one UTC day; the next one waits for the next day
    group_from          alerts of one rule within one hour that are said one by one, over all partitions; the others are one alert with a
                        count and a sample. 0: all are said one by one
    language            of reasons and of what would clear an alert
    """

    risk_steps: tuple[float, ...] = (0.5,)
    value_steps_minor: tuple[int, ...] = (10_000, 50_000)
    value_bands: tuple[str, ...] = ("low", "medium", "high")
    severities: tuple[str, ...] = ("info", "warning", "high", "critical")
    cooldown_hours: float = 24.0
    max_per_day: int = 1
    group_from: int = 1000
    language: Literal["en", "de"] = "en"


class Mute(Frozen, frozen=True, rename={"begin": "from", "end": "to"}):
    """A time in which drops of the whole say nothing and teach nothing: local times such as `2026-12-24` or `2026-12-24 18:00`.

    series  prefix of the series that are muted, e.g. `campaign:`; "" is all of them
    yearly  every year: the year of `begin` and `end` says nothing
    """

    begin: str
    end: str
    reason: str = ""
    series: str = ""
    yearly: bool = False


class Site(Frozen, frozen=True):
    """Drops of the whole: docs/scoring.md. One series counts all events, one each name, and one each value of `dimensions`.

    theta, theta_parts    where the alarm of the whole begins, and of a part: there are many of them, and each may err
    broken_below          share of its usual count at which one event name is broken, when the others
    others_above          reach this share of theirs, and
    others_share          are usually at least this share of all
    source_silence_minutes  nothing at all on a topic for so long, where at least source_min_per_minute are usual
    """

    enabled: bool = True
    tick_minutes: int = 60
    time_zone: str = "UTC"
    theta: float = 2.0
    theta_parts: float = 4.0
    dimensions: tuple[Literal["country", "device", "category", "campaign"], ...] = ("country", "device", "category", "campaign")
    max_series: int = 200
    broken_below: float = 0.1
    others_above: float = 0.7
    others_share: float = 0.1
    source_silence_minutes: float = 15.0
    source_min_per_minute: float = 1.0
    mutes: tuple[Mute, ...] = ()


class Rules(Frozen, frozen=True, kw_only=True):
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
    learning: Learning = Learning()
    alerts: Alerts = Alerts()
    emit: Emit = Emit()
    metrics: Metrics = Metrics()
    zones: Zones = Zones()
    business: BusinessRules = BusinessRules()
    tracking_plan: TrackingPlan | None = None
    site: Site = Site()
    accounts: Accounts = Accounts()
