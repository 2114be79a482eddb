"""Alert rules, boards and their configuration: they ask for what is exported, are proven by promtool, and each alert has its runbook."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.collect.figures import Figures
from streams.serve.hub import Hub
from streams.serve.inbox import Inbox
from streams.serve.metrics import Metrics
from streams.serve.now import now_of
from streams.serve.people import People
from streams.serve.pulse import Pulse
from streams.serve.recall import Recall
from streams.settings import load
from streams.shell.flight import Flight
from streams.shell.tally import Tally
from streams.stats import stats_of
from streams.telemetry.exposition import WorkerFigures
from streams.telemetry.lanewatch import Seen
from streams.telemetry.process import process_registry

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "config/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
BOARDS = sorted((ROOT / "config/grafana").glob("*.json"))
SETTINGS = load(ROOT / "config", {})
#: What Prometheus itself knows of everybody it reads.
BUILT_IN = {"up"}


class Idle:
    trouble = None
    waited_s = 0.0


def exported() -> set[str]:
    """Names of all series of a worker, a server and a collector, as Prometheus stores them."""
    registry = process_registry()
    idle = Idle()
    figures = WorkerFigures(
        SETTINGS,
        tally=Tally(),
        seen=Seen(),
        flight=Flight(),
        lanes=list,
        services=lambda: {"kafka": [idle, idle], "redis": [idle]},
        ready=lambda: True,
        learning=dict,
    )
    registry.register(figures)
    stats = stats_of(SETTINGS.rules, [], [], {(SETTINGS.rules.topics.dead, 0): (0, 1)}, [])
    people, inbox = People(SETTINGS.rules), Inbox()
    metrics = Metrics(
        "r",
        Hub(Recall(2)),
        lambda: now_of(people, inbox, Pulse(), stats, whole=True, trouble=[], now_ms=0),
        lambda: stats,
        lambda: True,
    )
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
    families = [family for each in (registry, metrics.registry, Figures().registry) for family in each.collect()]
    return {family.name + suffix for family in families for suffix in suffixes.get(family.type, ("",))}


def expressions() -> Iterator[tuple[str, str]]:
    """Where, and what is asked there."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for file in BOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            yield from ((f"{file.name}: {panel['title']}", target["expr"]) for target in panel.get("targets", ()))


@pytest.fixture
def promtool() -> str:
    """promtool of this machine; the tests that need it are NOT RUN where there is none."""
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("STREAMS_REQUIRE_SERVICES") == "1":
            pytest.fail("services are required here (STREAMS_REQUIRE_SERVICES=1): no promtool (Debian: prometheus)", pytrace=False)
        pytest.skip("NOT RUN: no promtool (Debian: prometheus)")
    return found


def test_every_series_that_is_asked_for_is_exported() -> None:
    known = exported() | BUILT_IN
    asked = {(place, name) for place, text in expressions() for name in re.findall(r"\b(?:streams|process|up)\w*", _bare(text))}
    assert {(place, name) for place, name in asked if name not in known} == set()
    assert len(asked) > 60


def _bare(expression: str) -> str:
    """Without what stands in quotes: a job may be called like a series."""
    return re.sub(r'"[^"]*"', '""', expression)


def test_boards_and_alerts_group_by_labels_of_closed_sets() -> None:
    """Nobody's id is among them."""
    closed = "le phase fate service topic reason instance rule band kind route status quantile outcome verdict source rules_version"
    labels = {name.strip() for _, text in expressions() for group in re.findall(r"by \(([^)]*)\)", text) for name in group.split(",")}
    assert labels <= set(closed.split())


def test_each_alert_is_proven_and_has_an_entry_in_the_runbook() -> None:
    proven = (ROOT / "config/prometheus/alerts_test.yaml").read_text()
    runbook = (ROOT / "docs/operations.md").read_text()
    for rule in RULES:
        name = rule["alert"]
        assert f"alertname: {name}\n        exp_alerts: [{{" in proven, f"nothing in alerts_test.yaml raises {name}"
        assert f"\n#### {name}\n" in runbook, f"docs/operations.md has no entry for {name}"
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
    entries = re.findall(r"^#### (Streams\w+)$", runbook, re.MULTILINE)
    assert entries == [rule["alert"] for rule in RULES]


def test_each_entry_of_the_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    entries = re.split(r"^#### ", (ROOT / "docs/operations.md").read_text(), flags=re.MULTILINE)[1:]
    for entry in entries:
        for part in ("**Means**", "**Look**", "**Do**"):
            assert part in entry, entry.splitlines()[0]


def test_promtool_takes_the_configuration(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "config", "config/prometheus/prometheus.yaml"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_proves_the_alerts(promtool: str) -> None:
    done = subprocess.run([promtool, "test", "rules", "config/prometheus/alerts_test.yaml"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_understands_what_the_boards_ask(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"board:{n}", "expr": text} for n, (_, text) in enumerate(expressions())]
    file = tmp_path / "boards.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)
def test_a_board_is_provisioned_whole(file: Path) -> None:
    """Every panel has a title, a description, a unit and the provisioned source; none lies on another; ids are unique."""
    source = yaml.safe_load((ROOT / "config/grafana/datasources.yaml").read_text())["datasources"][0]["uid"]
    board = json.loads(file.read_text())
    panels = board["panels"]
    assert board["uid"] == f"streams-{file.stem}"
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {source}
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_prometheus_reads_the_port_that_compose_opens() -> None:
    """One port, in docker-compose.yml and here; nothing of it is published."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    jobs = yaml.safe_load((ROOT / "config/prometheus/prometheus.yaml").read_text())["scrape_configs"]
    read = {job["dns_sd_configs"][0]["names"][0]: job["dns_sd_configs"][0]["port"] for job in jobs if "dns_sd_configs" in job}
    for name, port in read.items():
        assert services[name]["environment"]["STREAMS_METRICS"] == f"0.0.0.0:{port}"
        assert f":{port}" not in "".join(services[name].get("ports", []))
    assert read == {"worker": 9464, "serve": 9464}


def test_grafana_finds_its_source_and_its_boards() -> None:
    """What is mounted where Grafana looks, and the board it opens with is one of ours."""
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounted = dict(reversed(each.split(":")[:2]) for each in grafana["volumes"])
    path = yaml.safe_load((ROOT / "config/grafana/dashboards.yaml").read_text())["providers"][0]["options"]["path"]
    assert mounted[path] == "./config/grafana"
    assert mounted["/etc/grafana/provisioning/datasources/streams.yaml"] == "./config/grafana/datasources.yaml"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(f"{path}/") in {file.name for file in BOARDS}
