"""The deployment runs what the tests prove: the same versions, the same settings files, and nothing that keeps workers from scaling."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import streams
from streams.commands.collect import _GRACE_S
from streams.settings import load
from tests import stack

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def properties(file: Path) -> dict[str, str]:
    lines = (line.strip() for line in file.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def mounted(service: str) -> dict[str, str]:
    """Where in the container -> what of the checkout."""
    parts = (each.split(":") for each in SERVICES[service]["volumes"])
    return {inside: outside for outside, inside, *_ in parts}


def test_kafka_is_the_version_of_the_tests() -> None:
    """One version, in tests/kafka/pom.xml and here."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{stack.kafka_version()}"


def test_kafka_runs_on_the_file_of_the_tests() -> None:
    """`config/kafka.properties` lies where the image looks for server.properties, and tests/stack.py reads the same file."""
    assert mounted("kafka")["/mnt/shared/config/server.properties"] == "./config/kafka.properties"
    assert '"config" / "kafka.properties"' in Path(stack.__file__).read_text()


def test_neither_kafka_changes_what_the_file_says() -> None:
    """Addresses, folders and node ids are added on both sides; a setting of the file is overridden on none. The tests' broker has
    one listener more, which wants a password."""
    own = properties(ROOT / "config" / "kafka.properties")
    environment = {name.removeprefix("KAFKA_").lower().replace("_", ".") for name in SERVICES["kafka"]["environment"]}
    assert environment.isdisjoint(own)
    single = re.findall(r'^            "([a-z.]+)": ', Path(stack.__file__).read_text(), re.MULTILINE)
    assert set(single) >= {"node.id", "listeners", "log.dirs"}
    assert set(single) & own.keys() == {"listener.security.protocol.map"}
    assert '"listener.security.protocol.map": f"{protocols},' in Path(stack.__file__).read_text()


def test_every_listener_has_a_protocol() -> None:
    """The listeners named in the environment are those of the file's security map."""
    named = {each.split("://")[0] for each in SERVICES["kafka"]["environment"]["KAFKA_LISTENERS"].split(",")}
    mapped = {each.split(":")[0] for each in properties(ROOT / "config" / "kafka.properties")["listener.security.protocol.map"].split(",")}
    assert named == mapped


def test_kafka_never_makes_a_topic_by_itself() -> None:
    """A misspelt topic must fail."""
    assert properties(ROOT / "config" / "kafka.properties")["auto.create.topics.enable"] == "false"


def test_redis_runs_on_the_file_of_the_tests_and_of_the_demo() -> None:
    """`config/redis.conf` is mounted, and named on the command line here, in tests/stack.py and in the embedded server."""
    assert mounted("redis")["/etc/redis/redis.conf"] == "./config/redis.conf"
    assert SERVICES["redis"]["command"][:2] == ["redis-server", "/etc/redis/redis.conf"]
    assert '"config" / "redis.conf"' in Path(stack.__file__).read_text()
    assert '"_config" / "redis.conf"' in (ROOT / "streams" / "shell" / "embedded.py").read_text()
    assert (ROOT / "streams" / "_config").resolve() == ROOT / "config"


def test_redis_is_durable_and_never_evicts() -> None:
    """What a worker demands before it starts."""
    lines = [line.split(maxsplit=1) for line in (ROOT / "config" / "redis.conf").read_text().splitlines() if line and line[0] != "#"]
    settings = dict(lines)
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["save"] == '""'


def test_redis_is_full_before_its_container_is() -> None:
    """Redis refuses a write (the worker waits) before the kernel kills it: half the limit is left for a rewrite's copies."""
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory") + 1] == "1gb"
    assert SERVICES["redis"]["deploy"]["resources"]["limits"]["memory"] == "2G"


def test_what_must_outlive_a_container_is_in_a_volume() -> None:
    """Log and states are in named volumes."""
    assert mounted("kafka")["/var/lib/kafka/data"] == "kafka"
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"
    assert mounted("redis")["/data"] == "redis"
    assert mounted("prometheus")["/prometheus"] == "prometheus"
    assert set(COMPOSE["volumes"]) == {"kafka", "redis", "prometheus"}


def test_workers_scale() -> None:
    """No name, no port and no instance that only one worker could have."""
    worker = SERVICES["worker"]
    assert worker.keys().isdisjoint({"container_name", "ports", "hostname"})
    assert "STREAMS_INSTANCE" not in worker["environment"]


def test_only_loopback_is_published() -> None:
    """Ports that are published listen on this machine only; Redis and the workers publish none."""
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert {name for name, ports in published.items() if ports} == {"kafka", "serve", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_page_is_started_on_demand_and_wants_a_token() -> None:
    """Without a token it would refuse to start, since a container listens on all addresses: `docker compose up` leaves it out."""
    serve = SERVICES["serve"]
    assert serve["profiles"] == ["page"]
    assert serve["command"] == ["serve", "--host", "0.0.0.0"]
    assert serve["environment"]["STREAMS_SERVE_TOKEN"] == "${STREAMS_SERVE_TOKEN:-}"
    assert "fastapi==" in (ROOT / "requirements-runtime.lock").read_text()


def test_workers_start_when_everything_is_there() -> None:
    """Kafka and Redis answer and the topics exist."""
    conditions = {name: each["condition"] for name, each in SERVICES["worker"]["depends_on"].items()}
    assert conditions == {"kafka": "service_healthy", "redis": "service_healthy", "topics": "service_completed_successfully"}
    assert "healthcheck" in SERVICES["kafka"]
    assert "healthcheck" in SERVICES["redis"]


def test_every_service_is_bounded_and_says_when_it_comes_back() -> None:
    """A restart policy for each, limits and time to stop for those that stay."""
    assert all("restart" in service for service in SERVICES.values())
    lasting = {name: service for name, service in SERVICES.items() if name != "topics"}
    assert all(service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"} for service in lasting.values())
    assert all("stop_grace_period" in service for service in lasting.values())


def test_what_the_collector_is_answering_is_answered_before_it_is_killed() -> None:
    """It waits for Kafka as long as streams.yaml says, and a bit."""
    grace_s = int(SERVICES["serve"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > load(ROOT / "config", {}).collect.answer_s + _GRACE_S


def test_the_image_bears_the_version_of_the_package() -> None:
    """One version, in `streams.__version__`."""
    assert SERVICES["worker"]["image"] == SERVICES["topics"]["image"] == SERVICES["serve"]["image"] == f"streams:{streams.__version__}"


def test_the_image_runs_as_nobody_and_starts_the_command() -> None:
    """Not root; `streams` is what a container runs."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 10001" in lines
    assert 'ENTRYPOINT ["streams"]' in lines
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"streams": "streams.cli:main"}


def test_the_image_installs_by_hash_only() -> None:
    """Each `pip install` of packages from outside goes through a lock."""
    installs = [line for line in (ROOT / "Dockerfile").read_text().split("RUN") if "pip install" in line]
    assert all("--no-deps --require-hashes" in each or "/wheel/*.whl" in each for each in installs)


def test_locks_name_no_registry() -> None:
    """Wherever pip gets packages on this machine is this machine's affair."""
    for lock in ("requirements.lock", "requirements-runtime.lock"):
        text = (ROOT / lock).read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert "--find-links" not in text
        assert all("--hash=sha256:" in each for each in re.split(r"\n(?=[a-z])", text))
