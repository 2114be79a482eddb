"""Where things are, and what is secret: read from the environment, with loopback defaults. A wrong variable is named."""

import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from streams.errors import ConfigError
from streams.settings_files import Kafka

__all__ = ["Secret", "broker", "instance", "kafka_password", "metrics", "redis", "serve_token", "users_file"]


class Secret:
    """A word that is never shown: not in `repr`, not in logs, not in a dump of the settings."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def _secret(env: Mapping[str, str], name: str) -> Secret | None:
    """The secret in `name`, or in the file that `name`_FILE names."""
    file = env.get(f"{name}_FILE")
    if file and env.get(name):
        raise ConfigError(f"give either {name} or {name}_FILE, not both", file="environment", path=name)
    if file:
        try:
            return Secret(Path(file).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError):
            raise ConfigError("names a file that cannot be read", file="environment", path=f"{name}_FILE") from None
    return Secret(env[name]) if env.get(name) else None


def kafka_password(kafka: Kafka, env: Mapping[str, str]) -> Secret | None:
    """`STREAMS_KAFKA_PASSWORD`, which must be there when streams.yaml asks for SASL."""
    password = _secret(env, "STREAMS_KAFKA_PASSWORD")
    if kafka.sasl_mechanism is not None and password is None:
        message = f"is needed, because streams.yaml asks for {kafka.sasl_mechanism}"
        raise ConfigError(message, file="environment", path="STREAMS_KAFKA_PASSWORD")
    return password


def broker(env: Mapping[str, str]) -> str:
    """`STREAMS_BROKER`: host:port of Kafka, or several with commas between them."""
    places = [place.strip() for place in (env.get("STREAMS_BROKER") or "127.0.0.1:9092").split(",")]
    for place in places:
        host, _, port = place.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ConfigError("must be host:port, or several with commas between them", file="environment", path="STREAMS_BROKER")
    return ",".join(places)


def redis(env: Mapping[str, str]) -> str:
    """`STREAMS_REDIS` with the password of `STREAMS_REDIS_PASSWORD` in it."""
    text = env.get("STREAMS_REDIS") or "redis://127.0.0.1:6379/0"
    try:
        url = urlsplit(text)
        _ = url.port  # raises when it is none
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("redis", "rediss", "unix") or not (url.hostname or url.path):
        raise ConfigError("must be a URL such as redis://host:6379/0, or rediss:// for TLS", file="environment", path="STREAMS_REDIS")
    password = _secret(env, "STREAMS_REDIS_PASSWORD")
    if password is not None:
        place = url.netloc.rpartition("@")[2]
        url = url._replace(netloc=f"{quote(url.username or '', safe='')}:{quote(password.reveal(), safe='')}@{place}")
        text = urlunsplit(url)
    return text


def instance(env: Mapping[str, str]) -> str:
    """The name under which a restarted worker is known again (Kafka's static membership)."""
    name = env.get("STREAMS_INSTANCE") or socket.gethostname()
    if not name.isprintable() or len(name) > 200:
        raise ConfigError("must be a printable name of at most 200 characters", file="environment", path="STREAMS_INSTANCE")
    return name


def metrics(configured: str | None, env: Mapping[str, str]) -> str | None:
    """`STREAMS_METRICS`, else `observe.metrics` of streams.yaml, as host:port; a port alone is one on loopback. None: nothing is opened."""
    named = env.get("STREAMS_METRICS")
    text = (configured or "") if named is None else named
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535 or (":" in host and not host.startswith("[")):
        file, path = ("streams.yaml", "observe.metrics") if named is None else ("environment", "STREAMS_METRICS")
        raise ConfigError("must be host:port such as 127.0.0.1:9464, or a port; 0 takes a free one", file=file, path=path)
    return f"{host or '127.0.0.1'}:{port}"


def serve_token(env: Mapping[str, str]) -> Secret | None:
    """`STREAMS_SERVE_TOKEN`, which whoever reads from `streams serve` must know; None when it is for this machine alone."""
    return _secret(env, "STREAMS_SERVE_TOKEN")


def users_file(env: Mapping[str, str]) -> Path | None:
    """`STREAMS_USERS`: the file of those who may sign in to `streams serve`; None when nobody does."""
    return Path(env["STREAMS_USERS"]) if env.get("STREAMS_USERS") else None
