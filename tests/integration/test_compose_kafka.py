"""The compose file's Kafka settings, taken through the image's own start-up program (its class is among the broker's jars)."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.stack import NotRun, kafka_jars

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]


def test_the_image_accepts_the_mounted_file_and_the_environment(tmp_path: Path) -> None:
    """The final server.properties is `config/kafka.properties` plus the environment, and the log folder is formatted with it, once."""
    try:
        jars = kafka_jars()
    except NotRun as why:
        if os.environ.get("STREAMS_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip(f"NOT RUN: {why}")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["kafka"]
    given = {name: str(value) for name, value in compose["environment"].items()} | {"KAFKA_LOG_DIRS": str(tmp_path / "data")}
    for folder in ("default", "mounted", "final"):
        (tmp_path / folder).mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (tmp_path / "default" / name).touch()
    text = (ROOT / "config" / "kafka.properties").read_text()
    (tmp_path / "mounted" / "server.properties").write_text(text)
    folders = [part for each in ("default", "mounted", "final") for part in (f"--{each}-configs-dir", str(tmp_path / each))]
    command = ["java", "-cp", f"{jars}/*", "kafka.docker.KafkaDockerWrapper", "setup", *folders]
    environment = {"PATH": os.environ["PATH"], "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw", **given}

    first = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Formatting" in first.stdout
    final = (tmp_path / "final" / "server.properties").read_text()
    assert final.startswith(text)
    added = dict(line.split("=", 1) for line in final[len(text) :].splitlines() if line)
    assert added == {
        "node.id": "1",
        "listeners": "CLIENT://:9092,INTERNAL://:9094,CONTROLLER://:9093",
        "advertised.listeners": "CLIENT://127.0.0.1:9092,INTERNAL://kafka:9094",
        "controller.quorum.voters": "1@kafka:9093",
        "log.dirs": str(tmp_path / "data"),
    }

    # A volume that was used before: the image's start script goes on when it reads these words.
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "already formatted" in again.stdout + again.stderr
