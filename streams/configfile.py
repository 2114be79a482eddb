"""One YAML file becomes one frozen struct, or an error that names the file and the path in words that can be read aloud."""

import difflib
import math
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from streams.errors import ConfigError

__all__ = ["NAME", "did_you_mean", "in_range", "in_ranges", "read_file", "require", "to_struct"]

T = TypeVar("T")

#: What types, counters, bands ... are called.
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

#: A rule file of more than a mebibyte is a mistake (somebody's data), and YAML takes seconds for it.
_MAX_BYTES: Final = 1 << 20

#: What the decoder calls a type -> what a person does.
_WORDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "array": "a list",
    "object": "a mapping of names to values",
}
_PLACE: Final = re.compile(r"^(?P<text>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD: Final = re.compile(r"field `([^`]*)`")
_GOT: Final = re.compile(r"^Expected `([^`]*)`, got `([^`]*)`$")


#: The parser in C where PyYAML was built with it: ten times as fast.
_SafeLoader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """Plain YAML in which a repeated key is an error: the second one would silently win."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"a name must be text, and {key!r} is not", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"`{key}` stands here twice", key_node.start_mark)
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, or "" when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""


def require(sound: bool, file: str, path: str, message: str) -> None:
    """What the types cannot say holds; else `ConfigError` with `message`, file and path."""
    if not sound:
        raise ConfigError(message, file=file, path=path)


def read_file(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", file=path.name) from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"is larger than {_MAX_BYTES} bytes, which no rule file is", file=path.name)
    try:
        content = yaml.load(raw, _Loader)  # noqa: S506 (derives from SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark else ""
        raise ConfigError(error.problem or "is not YAML", file=path.name, path=line) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise ConfigError("is not YAML", file=path.name) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError("must hold a mapping of names to values", file=path.name)
    return content


def to_struct(content: Any, kind: type[T], file: str, at: str = "") -> T:
    """`content` as the frozen struct `kind`; everything about it is checked but ranges. `at` is the path that `content` lies at."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise _worded(str(error), content, kind, file, at) from None


def _worded(text: str, content: Any, kind: Any, file: str, at: str) -> ConfigError:
    found = _PLACE.match(text)
    said, below = (found["text"], found["path"] or "") if found else (text, "")
    below = _with_key(below, content, kind)
    path = _join(at, below.lstrip("."))
    field = _FIELD.search(said)
    if field and "unknown field" in said:
        known = _fields_at(kind, below)
        return ConfigError(f"is not a setting{did_you_mean(field[1], known)}", file=file, path=_join(path, field[1]))
    if field and "missing required field" in said:
        return ConfigError("is missing", file=file, path=_join(path, field[1]))
    got = _GOT.match(said)
    if got:
        return ConfigError(f"must be {_spoken(got[1])}, got {_spoken(got[2])}", file=file, path=path)
    return ConfigError(said[:1].lower() + said[1:], file=file, path=path)


def _with_key(below: str, content: Any, kind: Any) -> str:
    """The decoder says `weights[...]` for any entry of a mapping: the same path with the name of the entry that is wrong."""
    field, dots, _ = below.lstrip(".").partition("[...]")
    types = {each.encode_name: each.type for each in msgspec.structs.fields(kind)}
    if not dots or field not in types:
        return below
    for key, value in content[field].items():
        try:
            msgspec.convert({key: value}, types[field])
        except msgspec.ValidationError:
            return f".{field}.{key}"
    return below


def _join(at: str, below: str) -> str:
    return f"{at}.{below}" if at and below and not below.startswith("[") else at + below


def _spoken(types: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | "))


def _fields_at(kind: Any, below: str) -> list[str]:
    """Names of the fields of the struct that lies at `below` in `kind`."""
    for name in re.findall(r"\.(\w+)", below):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(_struct_in(kind) or kind)}
        kind = fields.get(name)
    struct = _struct_in(kind)
    return [field.encode_name for field in msgspec.structs.fields(struct)] if struct else []


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct in a type such as `tuple[Band, ...]` or `Kafka | None`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    for inner in getattr(kind, "__args__", ()):
        struct = _struct_in(inner)
        if struct is not None:
            return struct
    return None


def in_ranges(file: str, struct: Any, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Each path of `struct` is a number within its bounds, both allowed; else `ConfigError`."""
    for path, (low, high) in bounds.items():
        value = struct
        for name in path.split("."):
            value = getattr(value, name)
        in_range(file, path, value, low, high)


def in_range(file: str, path: str, value: float, low: float, high: float) -> None:
    """The number is within its bounds; else `ConfigError`."""
    if not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"must be between {low:g} and {high:g}, got {value:g}", file=file, path=path)
