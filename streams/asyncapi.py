"""The AsyncAPI document of all topics: made of the structs that read and write them, and of config/topics.yaml."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from streams import __version__
from streams.core.account_record import AccountRecord
from streams.core.alert import AlertRecord
from streams.core.errands import Alias, Claim, Link, Merge, Share
from streams.core.kinship import IdentityRecord
from streams.core.metric_record import MetricRecord
from streams.core.record import FATES, Apart, Plan
from streams.core.rules import DAY_MS
from streams.core.score import ScoreRecord
from streams.core.sitealert import SiteAlertRecord
from streams.settings import Settings
from streams.settings_files import TopicSpec
from streams.shell.letters import REASONS

__all__ = ["document"]

_REF: Final = "#/components/schemas/{name}"


class EventRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An engagement event in Segment's spelling; whatever else it carries is left alone. A campaign event may be short: `event` a verb,
    `channel` beside it."""

    type: str | None = None
    event: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    timestamp: str | int | None = None
    sent_at: str | int | None = None
    received_at: str | int | None = None
    channel: str | None = None
    campaign_id: str | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class JournalRecord(msgspec.Struct, frozen=True):
    """One step of a partition: what it was going to do, what became of its records, and those of them that were not counted: the first 200
    by name, the rest by a bit each (fate, topic, base64)."""

    rev: int
    owner: str
    plan: Plan
    fates: dict[str, int]
    apart: list[Apart]
    rest: dict[str, dict[str, str]] = {}


class _Kind(NamedTuple):
    """What lies on a topic: the role of the topic, which way it goes from the workers' side, its key, and its records."""

    role: str
    action: str
    key: str
    records: tuple[type, ...]
    about: str


def _kinds() -> tuple[_Kind, ...]:
    from streams.serve.audit import AuditRecord  # only where the extra `serve` is, which writes it

    raw, errands = "the raw user or anonymous id", (Link, Alias, Claim, Share, Merge)
    return (
        _Kind("clickstream", "receive", raw, (EventRecord,), "What users do."),
        _Kind("campaigns", "receive", raw, (EventRecord,), "What campaigns do to users."),
        _Kind("rerouted", "receive", "as it came", (EventRecord, *errands), "Events for another partition, and errands."),
        _Kind("scores", "send", "the user key", (ScoreRecord,), "The newest score of each user. No value: the user is forgotten."),
        _Kind("accounts", "send", "the account's id", (AccountRecord,), "The newest roll-up of each account. No value: it is forgotten."),
        _Kind("alerts", "send", "the user key, or the series", (AlertRecord, SiteAlertRecord), "What somebody should act upon."),
        _Kind("journal", "send", "the partition", (JournalRecord,), "The order in which everything was done."),
        _Kind("dead", "send", "as it came", (), f"Records that could not be read, untouched. `dead-reason`: {', '.join(REASONS)}."),
        _Kind("quarantine", "send", raw, (EventRecord,), "Events that the collector holds back, because no person sent them."),
        _Kind("identity", "send", "the known user", (IdentityRecord,), "Which ids were linked to whom, what moved, and what was refused."),
        _Kind("audit", "send", "what it was done to, else who", (AuditRecord,), "Who did what on the page and by the API."),
        _Kind("segments", "send", "the user key", (), "Reserved: nothing is written yet."),
        _Kind("triggers", "send", "the user key", (), "Reserved: nothing is written yet."),
        _Kind("metrics", "send", "the series", (MetricRecord,), "Figures of the whole business, and of how good alerts and forecasts are."),
    )


def document(settings: Settings) -> dict[str, Any]:
    """AsyncAPI 3.0: a channel, an operation and its messages for each topic of `settings`."""
    kinds = {kind.role: kind for kind in _kinds()}
    types = dict.fromkeys(each for kind in kinds.values() for each in kind.records)
    _, schemas = msgspec.json.schema_components(list(types), ref_template=_REF)
    channels, operations = {}, {}
    for role, spec in settings.topics.items():
        kind = kinds.get(role) or _Kind(role, "send", "see docs/wire.md", (), "")
        channels[role] = _channel(kind, spec, settings.rules.partitions)
        operations[f"{kind.action}-{role}"] = {"action": kind.action, "channel": {"$ref": f"#/channels/{role}"}}
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:streams:{settings.rules.app_id}",
        "info": {"title": "streams", "version": __version__, "description": f"Topics and records. Fates: {', '.join(FATES)}."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "schemas": schemas,
            "messages": {each.__name__: _message(each) for each in types} | {"Bytes": {"name": "Bytes", "summary": "Bytes as they are."}},
        },
    }


def _channel(kind: _Kind, spec: TopicSpec, partitions: int) -> dict[str, Any]:
    names = [each.__name__ for each in kind.records] or ["Bytes"]
    kafka: dict[str, Any] = {
        "topic": spec.name,
        "partitions": partitions,
        "topicConfiguration": {"cleanup.policy": spec.cleanup.split(","), "max.message.bytes": spec.max_bytes},
        "bindingVersion": "0.5.0",
    }
    if spec.retention_days is not None:
        kafka["topicConfiguration"]["retention.ms"] = round(spec.retention_days * DAY_MS)
    return {
        "address": spec.name,
        "description": f"{kind.about} Key: {kind.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": kafka},
    }


def _message(kind: type) -> Mapping[str, Any]:
    summary = " ".join((kind.__doc__ or "").split()).partition(". ")[0]
    return {
        "name": kind.__name__,
        "summary": summary,
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=kind.__name__)},
    }
