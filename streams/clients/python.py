"""The typed client for Python: one module without dependencies, checked by any type checker."""

from collections.abc import Mapping
from typing import Final

from streams.clients.surface import Call, literal, pascal, shapes, snake, words_of
from streams.core.planned import Property

__all__ = ["python_client"]

_HEAD: Final = '''"""Typed events of this application.

Written by `streams catalogue --python` (rules @VERSION@): change tracking_plan.yaml and write it again, do not edit it.

    events = Events(post("http://127.0.0.1:8081", "WRITE_KEY"))
    events.@EXAMPLE@(User(user_id="u1"), ...)
"""

import base64
import json
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, NotRequired, TypedDict

__all__ = [
@NAMES@
]

Message = dict[str, object]
#: What takes a finished message: `post`, or the `track` of a library that you already have.
Send = Callable[[Message], None]


class User(NamedTuple):
    """Who did it: known by a user id, or by the anonymous id of a browser. One of the two must be there."""

    user_id: str | None = None
    anonymous_id: str | None = None


def post(url: str, write_key: str, *, timeout_s: float = 10.0) -> Send:
    """Sends each message at once to a collector; raises `OSError` when it was not accepted. A message may be sent twice: its id is kept."""
    key = base64.b64encode(f"{write_key}:".encode()).decode()

    def send(message: Message) -> None:
        request = urllib.request.Request(
            f"{url.rstrip('/')}/v1/{message['type']}",
            data=json.dumps(message).encode(),
            headers={"content-type": "application/json", "authorization": f"Basic {key}"},
        )
        with urllib.request.urlopen(request, timeout=timeout_s):
            pass

    return send
'''

_CLASS: Final = '''

class Events:
    """One method for each event."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def _say(
        self, kind: str, user: User, said: Mapping[str, object], *, version: str, message_id: str | None, timestamp: datetime | None
    ) -> None:
        if not user.user_id and not user.anonymous_id:
            raise ValueError("a user needs a user_id or an anonymous_id")
        message: Message = {
            "type": kind,
            "messageId": message_id or str(uuid.uuid4()),
            "timestamp": (timestamp or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds"),
            **said,
        }
        if user.user_id:
            message["userId"] = user.user_id
        if user.anonymous_id:
            message["anonymousId"] = user.anonymous_id
        if version:
            message["context"] = {"protocols": {"event_version": version}}
        self._send(message)
'''


def python_client(calls: list[Call], version: str) -> str:
    """The module's source."""
    typed = [call for call in calls if call.properties]
    names = sorted({"Events", "Message", "Send", "User", "post", *(call.shape for call in typed)})
    head = _HEAD.replace("@VERSION@", version).replace("@NAMES@", "\n".join(f'    "{name}",' for name in names))
    parts = [head.replace("@EXAMPLE@", snake(next((call.words for call in typed), calls[0].words)))]
    for call in typed:
        for name, properties in shapes(call.shape, call.properties):
            parts.append(_dict(name, properties))
    return "".join([*parts, _CLASS, *map(_method, calls)])


def _dict(name: str, properties: Mapping[str, Property]) -> str:
    fields = [(key, _type(of, name + pascal(words_of(key))), of) for key, of in properties.items()]
    if all(key.isidentifier() and snake((key,)) == key and not key.startswith("__") for key in properties):
        lines = [f"    {key}: {kind if of.required else f'NotRequired[{kind}]'}{_remark(of)}" for key, kind, of in fields]
        return f"\n\nclass {name}(TypedDict):\n" + "\n".join(lines) + "\n"
    lines = [f"        {literal(key)}: {kind if of.required else f'NotRequired[{kind}]'},{_remark(of)}" for key, kind, of in fields]
    return f"\n\n{name} = TypedDict(\n    {literal(name)},\n    {{\n" + "\n".join(lines) + "\n    },\n)\n"


def _type(of: Property, name: str) -> str:
    kinds = {
        "string": "str",
        "number": "float",
        "integer": "int",
        "boolean": "bool",
        "array": f"Sequence[{_type(of.items, name) if of.items else 'object'}]",
        "object": name if of.properties else "Mapping[str, object]",
    }
    if of.one_of:
        parts = [f"Literal[{', '.join(literal(each) if isinstance(each, str) else str(each) for each in of.one_of)}]"]
    else:
        parts = [kinds[kind] for kind in of.types]
    if not parts:
        return "object"
    return " | ".join([*parts, "None"] if of.nullable else parts)


def _remark(of: Property) -> str:
    return f"  # {' '.join(of.description.split())}" if of.description else ""


def _method(call: Call) -> str:
    holds, kind = call.holds, call.shape if call.properties else "Mapping[str, object] | None"
    first = {"page": "name: str,\n        ", "screen": "name: str,\n        ", "group": "group_id: str,\n        "}.get(call.kind, "")
    default = "" if call.needed else " = {}" if call.properties else " = None"
    said = {
        "track": f'"event": {literal(call.event)}, ',
        "page": '"name": name, ',
        "screen": '"name": name, ',
        "group": '"groupId": group_id, ',
    }.get(call.kind, "")
    return f"""
    def {snake(call.words)}(
        self,
        user: User,
        {first}{holds}: {kind}{default},
        *,
        message_id: str | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        {literal(" ".join(call.text.split()))}
        said: Message = {{{said}{literal(holds)}: {holds} or {{}}}}
        self._say({literal(call.kind)}, user, said, version={literal(call.version)}, message_id=message_id, timestamp=timestamp)
"""
