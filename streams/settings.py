"""Everything that is configured: `config/*.yaml` and the environment, read once, checked whole, frozen."""

import hashlib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from streams import environment
from streams.checks import check_all
from streams.configfile import did_you_mean, read_file, to_struct
from streams.core.planned import TrackingPlan
from streams.core.rules import Catalogue, EventType, Rules, Scoring, Topics
from streams.core.zones import Zones
from streams.environment import Secret
from streams.errors import ConfigError
from streams.metric_file import business_rules
from streams.plan_files import FILE as PLAN_FILE
from streams.plan_files import PlanExample, PlanFile, tracking_plan
from streams.settings_files import (
    Collect,
    Example,
    Kafka,
    Observe,
    RiskFile,
    ScoringFile,
    Serve,
    StreamsFile,
    TopicsFile,
    TopicSpec,
    Worker,
)
from streams.timezones import all_zones

__all__ = ["Collect", "Example", "Kafka", "KafkaAccess", "Observe", "Secret", "Settings", "TopicSpec", "Worker", "load"]

#: The files of `config/` travel inside the package under this name, for those who bring none of their own.
_SHIPPED: Final = Path(__file__).parent / "_config"
_FAST_WAIT_MS: Final = 5


class KafkaAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How any client of Kafka speaks to the broker."""

    settings: Kafka = Kafka()
    password: Secret | None = None

    @property
    def idempotence(self) -> bool:
        """Whether producers are idempotent. Off only for the embedded broker, which cannot do it."""
        return self.settings.idempotence

    def client(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's consumer, producer and admin client, beside `bootstrap_servers`."""
        kafka = self.settings
        options: dict[str, Any] = {"security_protocol": kafka.security_protocol}
        if kafka.security_protocol in ("SSL", "SASL_SSL"):
            options["ssl_context"] = _tls(kafka)
        if kafka.sasl_mechanism is not None:
            options |= {
                "sasl_mechanism": kafka.sasl_mechanism,
                "sasl_plain_username": kafka.sasl_username,
                "sasl_plain_password": self.password.reveal() if self.password else None,
            }
        return options


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process was told.

    topics      role -> the topic as it should be
    replication copies of each partition; None: the broker's default
    redis       URL, with the password if there is one: use `redis_place` to show it
    examples    the worked examples of the rule files: (file, example)
    plan        the whole tracking plan, what is only documented included
    plan_examples   its worked examples
    folder      where the files were read
    observe     what was promised, and in `metrics` where this process answers /metrics, /health and /ready; None: nowhere
    """

    rules: Rules
    worker: Worker
    collect: Collect
    serve: Serve
    kafka: KafkaAccess
    topics: Mapping[str, TopicSpec]
    replication: int | None
    broker: str
    redis: str
    instance: str
    examples: tuple[tuple[str, Example], ...]
    plan: TrackingPlan
    plan_examples: tuple[PlanExample, ...]
    folder: Path
    observe: Observe = Observe()

    @property
    def batch_bytes(self) -> dict[str, int]:
        """Topic -> the largest batch of records that it takes: what Kafka holds against max.message.bytes is the batch, not the record."""
        return {spec.name: spec.max_bytes for spec in self.topics.values()}

    @property
    def redis_place(self) -> str:
        """Where Redis is, for people: without name and password."""
        url = urlsplit(self.redis)
        return f"{url.hostname or ''}:{url.port or 6379}{url.path}"

    def __repr__(self) -> str:
        return f"Settings({self.rules.app_id}, rules {self.rules.version}, {self.broker}, {self.redis_place}, from {self.folder})"


def load(folder: Path | None, env: Mapping[str, str], *, partitions: int | None = None) -> Settings:
    """The settings of `folder`, else of `STREAMS_CONFIG`, else of `./config` if there is one, else those shipped with the package.

    Files that `folder` lacks are taken as shipped. `partitions` overrides topics.yaml (the demo runs on fewer).
    """
    place = _folder(folder, env)
    streams = _streams(place)
    topics = to_struct(_content(place, "topics.yaml"), TopicsFile, "topics.yaml")
    scoring = to_struct(_content(place, "scoring.yaml"), ScoringFile, "scoring.yaml")
    risk = to_struct(_content(place, "risk.yaml"), RiskFile, "risk.yaml")
    catalogue = to_struct(_content(place, "catalogue.yaml"), Catalogue, "catalogue.yaml")
    plan_file = to_struct(_content(place, PLAN_FILE), PlanFile, PLAN_FILE)
    if partitions is not None:
        topics = msgspec.structs.replace(topics, partitions=partitions)
    specs = {role: getattr(topics.topics, role) for role in topics.topics.__struct_fields__}
    check_all(streams, topics, scoring, risk, catalogue)
    business = business_rules(_content(place, "metrics.yaml"), catalogue, own=(place / "metrics.yaml").exists())
    plan = tracking_plan(plan_file, place)

    rules = Rules(
        version="",
        app_id=streams.app_id,
        partitions=topics.partitions,
        topics=Topics(**{role: spec.name for role, spec in specs.items()}),
        catalogue=_weighed(catalogue, scoring.weights),
        limits=streams.limits,
        scoring=_scoring(scoring, streams),
        churn=risk.churn,
        drop=risk.drop,
        learning=risk.learning,
        alerts=risk.alerts,
        emit=streams.emit,
        metrics=scoring.metrics,
        # A third of a second, which only those pay who count by local time.
        zones=all_zones() if scoring.metrics.streaks else Zones(),
        tracking_plan=plan.enforced(),
        site=risk.site,
        accounts=risk.accounts,
        business=business,
    )
    examples = [("scoring.yaml", example) for example in scoring.examples] + [("risk.yaml", example) for example in risk.examples]
    return Settings(
        rules=msgspec.structs.replace(rules, version=_version(rules)),
        worker=streams.worker,
        collect=streams.collect,
        serve=streams.serve,
        kafka=KafkaAccess(settings=streams.kafka, password=environment.kafka_password(streams.kafka, env)),
        topics=specs,
        replication=topics.replication,
        broker=environment.broker(env),
        redis=environment.redis(env),
        instance=environment.instance(env),
        examples=tuple(examples),
        plan=plan,
        plan_examples=plan_file.examples,
        folder=place,
        observe=msgspec.structs.replace(streams.observe, metrics=environment.metrics(streams.observe.metrics, env)),
    )


def _folder(folder: Path | None, env: Mapping[str, str]) -> Path:
    named = folder or (Path(env["STREAMS_CONFIG"]) if env.get("STREAMS_CONFIG") else None)
    if named is not None:
        if not named.is_dir():
            raise ConfigError("is not a folder", file=str(named))
        return named
    return here if (here := Path("config")).joinpath("streams.yaml").is_file() else _SHIPPED


def _content(place: Path, file: str) -> dict[str, Any]:
    own = place / file
    return read_file(own if own.exists() else _SHIPPED / file)


def _streams(place: Path) -> StreamsFile:
    """streams.yaml; a profile only fills in what the file leaves open."""
    content = _content(place, "streams.yaml")
    worker = content.get("worker")
    if isinstance(worker, dict) and worker.get("profile") == "fast":
        content["worker"] = {"fetch_max_wait_ms": _FAST_WAIT_MS, **worker}
    return to_struct(content, StreamsFile, "streams.yaml")


def _tls(kafka: Kafka) -> ssl.SSLContext:
    from aiokafka.helpers import create_ssl_context  # here, so that `streams check --offline` starts without Kafka's client

    try:
        context: ssl.SSLContext = create_ssl_context(cafile=kafka.ssl_cafile, certfile=kafka.ssl_certfile, keyfile=kafka.ssl_keyfile)
    except (OSError, ValueError) as error:
        raise ConfigError(f"names a certificate or key that cannot be used ({error})", file="streams.yaml", path="kafka") from None
    return context


def _weighed(catalogue: Catalogue, weights: Mapping[str, float]) -> Catalogue:
    """The catalogue with the weights of scoring.yaml."""
    known = {entry.name for entry in catalogue.types}
    for name in weights:
        if name not in known:
            message = f"is not an event of catalogue.yaml{did_you_mean(name, known)}"
            raise ConfigError(message, file="scoring.yaml", path=f"weights.{name}")
    types: list[EventType] = [
        msgspec.structs.replace(entry, weight=float(weights.get(entry.name, entry.weight))) for entry in catalogue.types
    ]
    return msgspec.structs.replace(catalogue, types=tuple(types))


def _scoring(scoring: ScoringFile, streams: StreamsFile) -> Scoring:
    return Scoring(
        half_life_days=scoring.half_life_days,
        a_ref=scoring.a_ref,
        bands=tuple(band.start for band in scoring.bands[1:]),
        band_names=tuple(band.name for band in scoring.bands),
        session_gap_ms=round(scoring.session_gap_minutes * 60_000),
        state_ttl_days=streams.state.ttl_days,
        dedup_ids=streams.state.dedup_ids,
        state_bytes=streams.state.max_bytes,
    )


def _version(rules: Rules) -> str:
    """The first 12 hex digits of a hash of everything in `rules`: equal content, equal version, on every machine."""
    return hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()[:12]
