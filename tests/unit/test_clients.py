"""Typed clients: what is generated type-checks, refuses what the plan refuses, and sends what the plan accepts."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import mypy.api
import pytest

from streams.clients.python import python_client
from streams.clients.surface import calls, words_of
from streams.clients.typescript import typescript_client
from streams.core.planned import PlannedEvent, Property, TrackingPlan
from streams.core.rules import Catalogue, EventType
from streams.core.trackingplan import PlanChecker

CATALOGUE = Catalogue(
    types=(
        EventType(id=10, name="page_view", aliases=("Page Viewed",)),
        EventType(id=12, name="identify"),
        EventType(id=13, name="alias"),
        EventType(id=14, name="group"),
        EventType(id=39, name="order_completed", aliases=("Order Completed", "purchase")),
        EventType(id=60, name="feature_used", aliases=("Feature Used",)),
        EventType(id=100, name="email_send", channel="email"),
    )
)
ORDER = {
    "order_id": Property(type="string", required=True, description='The "number" \\ of it'),
    "revenue": Property(type="number"),
    "currency": Property(one_of=("EUR", "USD")),
    "products": Property(
        type="array",
        items=Property(type="object", properties={"sku": Property(type="string", required=True), "n": Property(type="integer")}),
    ),
}
PLAN = TrackingPlan(
    events=(
        PlannedEvent(name="Order Completed", description='Says """it""" */', properties=ORDER),
        PlannedEvent(name="Order Completed", version="2", properties={"order id": Property(type="integer", required=True, nullable=True)}),
        PlannedEvent(name="identify", properties={"plan": Property(one_of=("free", "paid"))}),
        PlannedEvent(name="Class", properties={"class": Property(type=("string", "boolean"))}),
    )
)
CALLS = calls(CATALOGUE, PLAN)
SOURCE = python_client(CALLS, "1a2b3c")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The generated module, imported."""
    file = tmp_path_factory.mktemp("client") / "events.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("generated_events", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_one_call_for_each_event_of_the_catalogue_and_the_plan() -> None:
    """Campaign events come from senders, `alias` is none; a second version has a name of its own."""
    assert ["_".join(call.words) for call in CALLS] == [
        "page",
        "identify",
        "group",
        "order_completed",
        "order_completed_v2",
        "feature_used",
        "class",
    ]


@pytest.mark.parametrize("name", ["Order Completed", "order_completed", "orderCompleted", "ORDER-COMPLETED"])
def test_spellings_of_one_name_are_the_same_words(name: str) -> None:
    assert words_of(name) == ("order", "completed")


def test_two_names_that_read_alike_get_a_number() -> None:
    plan = TrackingPlan(events=(PlannedEvent(name="a/b"), PlannedEvent(name="a.b"), PlannedEvent(name="2 b"), PlannedEvent(name="!")))
    assert [call.words for call in calls(Catalogue(types=()), plan)] == [("a", "b"), ("a", "b", "2"), ("event", "2", "b"), ("event",)]


def test_the_python_client_type_checks_and_refuses_what_the_plan_refuses(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(SOURCE)
    (tmp_path / "usage.py").write_text(
        "from events import Events, User, post\n"
        "e = Events(post('http://127.0.0.1:1', 'k'))\n"
        "u = User('u1')\n"
        "e.order_completed(u, {'order_id': '1', 'currency': 'EUR', 'products': [{'sku': 'a', 'n': 1}]})\n"
        "e.order_completed_v2(u, {'order id': None})\n"
        "e.feature_used(u)\n"
        "e.class_(u, {'class': True})\n"
        "e.order_completed(u, {'revenue': 1.0})\n"
        "e.order_completed(u, {'order_id': 1})\n"
        "e.order_completed(u, {'order_id': '1', 'currency': 'GBP'})\n"
        "e.order_completed(u, {'order_id': '1', 'colour': 'red'})\n"
        "e.order_completed(u, {'order_id': '1', 'products': [{'n': 1}]})\n"
        "e.order_complete(u, {})\n"
    )
    out, err, _ = mypy.api.run(
        ["--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", str(tmp_path / "events.py"), str(tmp_path / "usage.py")]
    )
    wrong = {int(line.split("usage.py:")[1].split(":")[0]) for line in out.splitlines() if "usage.py:" in line and ": error:" in line}
    assert (wrong, err) == ({8, 9, 10, 11, 12, 13}, "")
    assert "events.py:" not in out.replace("usage.py:", "")


def test_what_the_python_client_says_fits_the_plan(client: ModuleType) -> None:
    said: list[dict[str, Any]] = []
    events = client.Events(said.append)
    events.order_completed(client.User("u1"), {"order_id": "1", "currency": "EUR", "products": [{"sku": "a"}]}, message_id="m1")
    events.order_completed_v2(client.User(anonymous_id="a1"), {"order id": 5})
    events.page(client.User("u1"), "Home")
    events.identify(client.User("u1"), {"plan": "paid"})
    events.group(client.User("u1"), "g1", {"size": 3})
    check = PlanChecker(PLAN)
    assert [check.judge(json.dumps(message).encode()) for message in said] == [None] * 5
    assert [message["type"] for message in said] == ["track", "track", "page", "identify", "group"]
    assert (said[0]["messageId"], said[0]["userId"], said[0]["event"]) == ("m1", "u1", "Order Completed")
    assert (said[1]["anonymousId"], said[1]["context"]) == ("a1", {"protocols": {"event_version": "2"}})
    assert (said[2]["name"], said[4]["groupId"], said[4]["traits"]) == ("Home", "g1", {"size": 3})
    with pytest.raises(ValueError, match="anonymous_id"):
        events.page(client.User(), "Home")


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A server that takes everything: its URL, and (path, authorization, body) of what it got."""
    got: list[tuple[str, str, bytes]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.headers["authorization"], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["Message", "User", "None", "Date"])
def test_an_event_may_be_called_like_something_of_the_clients_own(name: str) -> None:
    """Its type has another name then: it would hide the client's, or not compile."""
    plan = TrackingPlan(events=(PlannedEvent(name=name, properties={"text": Property(type="string", required=True)}),))
    (call,) = calls(Catalogue(types=()), plan)
    own: dict[str, Any] = {}
    exec(python_client([call], "1"), own)
    said: list[dict[str, Any]] = []
    getattr(own["Events"](said.append), name.lower())(own["User"]("u1"), {"text": "x"})
    assert (said[0]["event"], said[0]["properties"]) == (name, {"text": "x"})
    assert f"export type {name}Event = {{" in typescript_client([call], "1")


def test_post_sends_as_segments_libraries_do(client: ModuleType, collector: tuple[str, list[tuple[str, str, bytes]]]) -> None:
    url, got = collector
    client.Events(client.post(url + "/", "key")).feature_used(client.User("u1"), {"feature": "x"})
    ((path, authorization, body),) = got
    assert (path, authorization) == ("/v1/track", "Basic a2V5Og==")
    assert json.loads(body)["properties"] == {"feature": "x"}


def test_the_typescript_client_names_every_event_and_closes_no_comment_early() -> None:
    """tests/e2e compiles and runs it."""
    source = typescript_client(CALLS, "1a2b3c")
    for name in ("page", "identify", "group", "orderCompleted", "orderCompletedV2", "featureUsed", "class"):
        assert f"\n  {name}(user: User, " in source
    assert '  "order id": number | null;' in source
    assert '/** Says """it""" * / */' in source
