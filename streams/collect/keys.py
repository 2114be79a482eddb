"""Who may send events: the write keys of keys.yaml, read again whenever the file changes."""

import hashlib
import ipaddress
import logging
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from streams.collect.limits import Bucket
from streams.configfile import read_file, to_struct
from streams.errors import ConfigError

__all__ = ["KeySpec", "Keyring", "Source", "keys_file", "load_keys"]

log = logging.getLogger(__name__)

FILE: Final = "keys.yaml"
#: Trackers show their key to everybody who looks into the page: its length is what keeps a *server's* key from being guessed.
_KEY_CHARACTERS: Final = (8, 200)
_NAME_CHARACTERS: Final = 100


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An unknown field is an error."""


class KeySpec(_Strict, frozen=True, kw_only=True):
    """One write key; keys.yaml says what each field is for."""

    key: str
    source: str
    rate_per_s: float | None = None
    origins: tuple[str, ...] = ()
    robots: bool = False


class _KeysFile(_Strict, frozen=True, kw_only=True):
    keys: tuple[KeySpec, ...] = ()


class Source:
    """Who sends: what a write key stands for, and how much it has sent lately."""

    def __init__(self, spec: KeySpec) -> None:
        self.name, self.robots = spec.source, spec.robots
        self.headers = [("source", spec.source.encode())]
        self._origins = frozenset(spec.origins)
        self._bucket = Bucket(spec.rate_per_s, time.monotonic()) if spec.rate_per_s else None

    def admits(self, origin: str) -> bool:
        """Whether a page of `origin` may send with this key; "" is no browser."""
        return not origin or not self._origins or origin in self._origins

    def wait_s(self) -> int:
        """0 when it may send now, else after how many seconds."""
        return self._bucket.wait_s(time.monotonic()) if self._bucket is not None else 0

    def take(self, events: int) -> None:
        if self._bucket is not None:
            self._bucket.take(events)


def keys_file(folder: Path, env: Mapping[str, str]) -> Path:
    """Where the keys are: `STREAMS_KEYS`, else keys.yaml beside the other files."""
    return Path(env["STREAMS_KEYS"]) if env.get("STREAMS_KEYS") else folder / FILE


def load_keys(file: Path) -> tuple[KeySpec, ...]:
    """The keys of `file`; none when there is no such file. Raises `ConfigError`."""
    if not file.exists():
        return ()
    keys = to_struct(read_file(file), _KeysFile, file.name).keys
    seen: set[str] = set()
    for number, spec in enumerate(keys):
        path, (low, high) = f"keys[{number}]", _KEY_CHARACTERS
        if not low <= len(spec.key) <= high or not spec.key.isascii() or not spec.key.isprintable() or " " in spec.key or ":" in spec.key:
            raise ConfigError(
                f"must be {low} to {high} letters, digits and signs, no space and no colon", file=file.name, path=f"{path}.key"
            )
        if spec.key in seen:
            raise ConfigError("stands here twice", file=file.name, path=f"{path}.key")
        seen.add(spec.key)
        if not spec.source.isprintable() or not 0 < len(spec.source) <= _NAME_CHARACTERS:
            raise ConfigError(f"must be a name of at most {_NAME_CHARACTERS} characters", file=file.name, path=f"{path}.source")
        if spec.rate_per_s is not None and not 0.1 <= spec.rate_per_s <= 1e6:
            raise ConfigError(f"must be between 0.1 and 1000000, got {spec.rate_per_s:g}", file=file.name, path=f"{path}.rate_per_s")
        for index, origin in enumerate(spec.origins):
            if not _is_origin(origin):
                message = f"must be a page's origin such as https://shop.example, got {origin}"
                raise ConfigError(message, file=file.name, path=f"{path}.origins[{index}]")
    return keys


class Keyring:
    """Finds the source of a write key. Without any key, programs and pages of this machine may send, and nobody else."""

    def __init__(self, file: Path, *, loopback: bool) -> None:
        """Raises `ConfigError`. loopback: nobody but this machine can reach the collector."""
        self._file, self._loopback = file, loopback
        self._salt = secrets.token_bytes(32)
        self._everybody = Source(KeySpec(key="", source="local"))
        self._stamp = self._stat()
        self._specs = load_keys(file)
        self._sources = self._by_mark(self._specs)

    def look(self) -> None:
        """The keys are those of the file as it is now. A file that cannot be read changes nothing, and the log says why."""
        stamp = self._stat()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            specs = load_keys(self._file)
        except ConfigError as error:
            log.error("the write keys stay as they were: %s", error)
            return
        # A source that has not changed keeps its bucket: saving the file gives nobody a new allowance.
        kept = dict(zip(self._specs, self._sources.values(), strict=True))
        self._sources = self._by_mark(specs, kept)
        self._specs = specs
        log.warning("%d write keys read from %s", len(specs), self._file.name)

    def find(self, key: str | None, origin: str, host: str) -> Source | None:
        """Who sends with `key`; None when nobody may."""
        if not self._sources:
            at_home = _is_local(host) and (not origin or _is_local(origin.partition("://")[2]))
            return self._everybody if self._loopback and at_home else None
        if not key:
            return None
        # A dictionary tells by its time what it compares; of a keyed hash that says nothing about the key.
        return self._sources.get(self._mark(key))

    @property
    def empty(self) -> bool:
        return not self._sources

    def _by_mark(self, specs: tuple[KeySpec, ...], kept: Mapping[KeySpec, Source] | None = None) -> dict[bytes, Source]:
        return {self._mark(spec.key): (kept or {}).get(spec) or Source(spec) for spec in specs}

    def _mark(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode("utf-8", "replace"), key=self._salt, digest_size=16).digest()

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and text == f"{parts.scheme}://{parts.netloc}"


def _is_local(host: str) -> bool:
    """Whether `host` (with a port or without) is a name of this machine; pages of other names may be made to point here. Whatever came in:
    it never raises."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
