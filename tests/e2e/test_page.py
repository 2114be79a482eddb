"""The page in Chromium, served by the real server from a real broker and a real Redis: what a person sees, on a desk and on a phone."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from streams.core.deadletter import dead_letter
from streams.core.identity import home_partition
from streams.core.measures import DEVICES
from streams.core.record import Rejected
from streams.core.user import User
from streams.serve.access import Access
from streams.settings import Settings
from streams.shell.heads import Keys
from tests.browser import LOADED, chromium, opened, shows, until
from tests.served import Served, alert, produce, score, serving, settled
from tests.stack import Kafka, Redis
from tests.unit.records import FakeRecord

pytestmark = [pytest.mark.services, pytest.mark.asyncio(loop_scope="module")]

VIEWS = (
    "#/now",
    "#/alerts",
    "#/users",
    "#/users/u-alice",
    "#/users/nobody",
    "#/metrics",
    "#/funnel",
    "#/inspector",
    "#/inspector/u-alice",
    "#/operations",
)
#: Whatever reaches over the edge of the window, save what may scroll by itself.
WIDE = """[...document.querySelectorAll("body *")]
  .filter((it) => !it.closest(".scroll, pre, canvas, .movers, .unseen, .skip, .chart") && it.getBoundingClientRect().right > innerWidth + 1)
  .map((it) => it.outerHTML.slice(0, 120))"""
HOSTILE = "<img src=x onerror=console.log('run')>"


class World(NamedTuple):
    """A server with people, alerts and records, and one browser, shared by all tests of this file: each looks at users of its own."""

    settings: Settings
    served: Served
    browser: Browser

    @property
    def url(self) -> str:
        return self.served.url

    async def tell(self, *alerts: bytes) -> None:
        await tell(self.settings, *alerts)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(kafka: Kafka, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    mine = await peopled(kafka, redis, tmp_path_factory.mktemp("page"))
    async with chromium() as browser, serving(mine) as served:
        rules = mine.rules
        ids = {entry.name: entry.id for entry in rules.catalogue.types}
        for name, steps in {
            "u-alice": ["product_viewed", "product_added", "order_completed"],
            "u-ben": ["product_viewed", "product_added"],
            HOSTILE: ["product_viewed"],
        }.items():
            user = User(rules)
            user.load(name, None)
            user.activity.reach(time.time_ns() // 86_400_000_000_000)
            user.activity.device = DEVICES.index("mobile" if name == "u-alice" else "desktop")
            for n, step in enumerate(steps):
                user.fold(ids[step], time.time_ns() // 1_000_000 - n * 86_400_000, n + 1, 4200, 0, 0, n)
            key = Keys.of(rules.app_id, home_partition(name, 2)).users.decode()
            await served.server._redis.hset(key, name, user.dump())
        yield World(mine, served, browser)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def closed(world: World) -> AsyncIterator[None]:
    """The pages of a test are closed after it: each paints for as long as it is open."""
    yield
    for context in world.browser.contexts:
        await context.close()


async def peopled(kafka: Kafka, redis: Redis, folder: Path) -> Settings:
    """Topics with a hundred scores, ten alerts and a journal."""
    mine = await settled(folder, kafka, redis)
    now_ms = time.time_ns() // 1_000_000
    people: list[tuple[int, str, bytes | None, int]] = [(n % 2, f"u{n}", score(f"u{n}", n, "warm"), now_ms) for n in range(100)]
    await produce(mine, mine.rules.topics.scores, people)
    alerts = [alert(f"old-{n}", f"a-user-with-quite-a-long-name-{n}-of-many-parts", at=f"2026-01-01T00:00:0{n}.000Z") for n in range(8)]
    reason = {"code": HOSTILE, "text": HOSTILE, "value": 1.0, "baseline": 1.0, "contribution": 0.1}
    hostile = {"rule": HOSTILE, "severity": HOSTILE, "clears_when": HOSTILE, "value_band": HOSTILE, "reasons": [reason]}
    await tell(mine, *alerts, alert("x", HOSTILE, **hostile), alert("r", "u-alice", status="resolved"))
    await produce(mine, mine.rules.topics.journal, [(0, "0", journal(0, 0, fates={"counted": 50}), now_ms)])
    return mine


async def tell(settings: Settings, *alerts: bytes) -> None:
    await produce(settings, settings.rules.topics.alerts, [(0, "u", each, time.time_ns() // 1_000_000) for each in alerts])


def journal(first: int, end: int, *, fates: dict[str, int], topic: str = "", apart: list[dict[str, Any]] | None = None) -> bytes:
    plan = {"rev": 9, "spans": {topic: [first, end]} if topic else {}, "now_ms": time.time_ns() // 1_000_000}
    return json.dumps({"rev": 9, "owner": "w", "plan": plan, "fates": fates, "apart": apart or []}).encode()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "de-DE")])
async def test_no_view_has_anything_to_say_on_the_console_or_is_closed_to_anybody(world: World, scheme: Any, locale: str) -> None:
    """No error, no refused script or style, no violation of an accessibility rule, in both colours and both languages."""
    page, said = await opened(world.browser, world.url, color_scheme=scheme, locale=locale)
    await page.evaluate(Axe().axe_script)  # once: it is half a megabyte
    for view in VIEWS:
        await page.evaluate(f"location.hash = {view!r}")
        await until(page, LOADED)
        found = await page.evaluate("axe.run({resultTypes: ['violations']})")
        assert [(it["id"], [node["html"] for node in it["nodes"]]) for it in found["violations"]] == [], view
    # A user that nobody has seen is an answer of the API that Chromium notes by itself.
    assert [line for line in said if "404" not in line] == []


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
async def test_a_phone_never_scrolls_sideways(world: World, locale: str) -> None:
    page, _ = await opened(world.browser, world.url, viewport={"width": 360, "height": 780}, locale=locale)
    for view in VIEWS:
        await page.evaluate(f"location.hash = {view!r}")
        await until(page, LOADED)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        wide = await page.evaluate(WIDE)
        assert wide == [], view


async def test_both_languages_say_the_same_things(world: World) -> None:
    page, _ = await opened(world.browser, world.url)
    shape = """async () => {
      const flat = (it, path) => (it !== null && typeof it === "object" && path !== ".names"
        ? Object.entries(it).flatMap(([key, value]) => flat(value, `${path}.${key}`)) : [`${path} ${typeof it}`]);
      const [en, de] = await Promise.all(["en", "de"].map((name) => import(`/page/${name}.js`)));
      return [flat(en.words, ""), flat(de.words, "")].map((keys) => keys.sort());
    }"""
    english, german = await page.evaluate(shape)
    assert english == german
    assert len(english) > 100


async def test_the_language_is_that_of_the_browser_until_another_is_chosen(world: World) -> None:
    page, _ = await opened(world.browser, world.url, locale="de-AT")
    await until(page, shows("Braucht Zuwendung"))
    assert await page.evaluate("document.documentElement.lang") == "de"
    await page.get_by_role("button", name="In English").click()
    await until(page, shows("Needs attention"))
    await page.reload()
    await until(page, shows("Needs attention"))


async def test_an_alert_is_seen_after_its_record_and_its_end_after_the_resolve(world: World) -> None:
    page, _ = await opened(world.browser, world.url)
    await until(page, LOADED)
    await world.tell(alert("new", "u-bob", at="2026-02-01T00:00:00.000Z"))
    await until(page, shows("u-bob"))
    await until(page, shows("9 days without a visit"))
    await until(page, shows("one visit would clear it"))
    await world.tell(alert("new", "u-bob", at="2026-02-01T00:00:00.000Z", status="resolved"))
    await until(page, f"!{shows('u-bob')}")


async def test_an_alert_of_an_outage_is_there_when_the_server_is_back(world: World, kafka: Kafka, redis: Redis, tmp_path: Path) -> None:
    """The page says that it is reconnecting, does so by itself, and has missed nothing."""
    mine = await peopled(kafka, redis, tmp_path)
    async with serving(mine) as first:
        port = int(first.url.rpartition(":")[2])
        page, _ = await opened(world.browser, first.url)
        await until(page, LOADED)
    await until(page, shows("Reconnecting"))
    await until(page, shows("The server does not answer"))
    await tell(mine, alert("meanwhile", "u-carol", at="2026-02-01T00:00:00.000Z"))
    async with serving(mine, port=port):
        await until(page, LOADED)
        await until(page, shows("u-carol"))


async def test_what_others_wrote_is_shown_and_never_run(world: World) -> None:
    page, said = await opened(world.browser, f"{world.url}/#/alerts")
    await until(page, shows(HOSTILE))
    for view in ("users", "inspector"):
        await page.evaluate(f"location.hash = '#/{view}/' + encodeURIComponent({HOSTILE!r})")
        await until(page, shows(HOSTILE))
        await until(page, LOADED)
    assert "run" not in said


async def test_a_user_is_looked_up_and_told(world: World) -> None:
    page, _ = await opened(world.browser, f"{world.url}/#/users")
    await page.get_by_role("searchbox").fill("u-alice")
    await page.get_by_role("button", name="Look up").click()
    for text in ("Chance of leaving within 30 days", "Engagement is", "If they stay away", "sessions", "Timeline", "Why, in words"):
        await until(page, shows(text))


async def test_a_funnel_counts_who_did_all_steps_up_to_one(world: World) -> None:
    """The steps stand in the address, so a funnel can be sent to somebody."""
    page, _ = await opened(world.browser, f"{world.url}/#/funnel/product_viewed,product_added,order_completed/30d/band")
    await until(page, shows("Through to the end"))
    assert await page.eval_on_selector_all(".funnel .head span", "(all) => all.map((it) => it.textContent)") == [
        "3 users",
        "2 users",
        "1 users",
    ]
    await until(page, shows("Everybody was counted: 3 users."))
    await page.get_by_role("button", name="Remove step 3").click()
    await until(page, shows("66.7 %"))
    assert page.url.endswith("#/funnel/product_viewed,product_added/30d/band")


async def test_a_funnel_is_told_by_a_part_of_the_users_and_of_one_part_alone(world: World) -> None:
    """A click on a part counts it alone; the address says so, and the sign beside it goes back to everybody."""
    page, _ = await opened(world.browser, f"{world.url}/#/funnel/product_viewed,product_added,order_completed/30d/device")
    await until(page, shows("Everybody was counted: 3 users."))
    assert await page.eval_on_selector_all("tbody td.left", "(all) => all.map((it) => it.textContent)") == ["desktop", "mobile"]
    await page.get_by_role("button", name="mobile").click()
    await until(page, shows("only device: mobile"))
    await until(page, "document.querySelectorAll('.funnel .head span')[0]?.textContent === '1 users'")
    assert page.url.endswith("/30d/device/device:mobile")
    await page.reload()
    await until(page, shows("only device: mobile"))
    await page.get_by_role("button", name="Count everybody again").click()
    await until(page, shows("66.7 %"))
    assert page.url.endswith("/30d/device")


async def test_ones_own_event_is_watched_from_its_arrival_to_its_fate(world: World) -> None:
    topics = world.settings.rules.topics
    page, _ = await opened(world.browser, f"{world.url}/#/inspector/u-own")
    await until(page, shows("Nothing of u-own has arrived yet"))
    event = {"type": "track", "event": "Product Added", "userId": "u-own", "messageId": "m1", "timestamp": "2026-01-31T08:00:00Z"}
    now_ms = time.time_ns() // 1_000_000
    await produce(world.settings, topics.clickstream, [(1, "u-own", json.dumps(event).encode(), now_ms), (1, "u-own", b'{"u-own"', now_ms)])
    await until(page, shows("Reads as product added"))
    await until(page, shows("Cannot be counted: not json at $"))
    apart = [{"topic": topics.clickstream, "offset": 1, "fate": "rejected", "reason": "not_json", "at": "$"}]
    line = journal(0, 2, topic=topics.clickstream, fates={"counted": 1, "rejected": 1}, apart=apart)
    await produce(world.settings, topics.journal, [(1, "1", line, now_ms)])
    await until(page, shows("counted in step 9 of partition 1"))
    await until(page, shows("put aside as a dead letter: not json"))


async def test_an_alert_is_worked_on_by_keyboard_and_every_page_sees_it(world: World) -> None:
    """j goes to it, a acknowledges, m takes it, n notes; what was done stands with who did it, also on a page that just looks on."""
    await world.tell(alert("work", "u-work", at="2026-03-01T00:00:00.000Z"))
    page, _ = await opened(world.browser, f"{world.url}/#/alerts")
    other, _ = await opened(world.browser, f"{world.url}/#/alerts")
    for each in (page, other):
        await each.get_by_role("combobox", name="Group by").select_option("")
        await until(each, shows("u-work"))
    await page.keyboard.press("j")
    await until(page, "document.querySelector('.selected')?.innerText.includes('u-work')")
    await page.keyboard.press("m")
    await until(other, "document.querySelector('.inbox').innerText.includes('for local')")
    await until(page, "document.querySelector('.selected')?.innerText.includes('for local')")
    await page.keyboard.press("n")
    await page.keyboard.type(HOSTILE)
    await page.keyboard.press("Enter")
    await until(page, f"document.querySelector('.selected .notes')?.innerText.includes({HOSTILE!r})")
    await page.get_by_role("button", name="Acknowledge", exact=True).click()
    await until(other, shows("seen by local"))


async def test_a_note_that_could_not_be_saved_is_not_thrown_away(world: World) -> None:
    await world.tell(alert("noted", "u-noted", at="2026-03-02T00:00:00.000Z"))
    page, _ = await opened(world.browser, f"{world.url}/#/alerts")
    await page.get_by_role("combobox", name="Group by").select_option("")
    await until(page, shows("u-noted"))
    await page.get_by_label("Details of u-noted").click()
    note = page.locator(".selected form.note input")
    await note.fill("called them twice")
    await page.route("**/note", lambda route: route.abort())
    await note.press("Enter")
    await until(page, "document.querySelector('main .broken') !== null")
    await until(page, "document.querySelector('.selected form.note input').value === 'called them twice'")
    await page.unroute("**/note")
    await note.press("Enter")
    await until(page, "document.querySelector('.selected .notes')?.innerText.includes('called them twice')")
    assert await note.input_value() == ""


async def test_what_is_being_written_stays_when_somebody_else_works_on_the_alert(world: World) -> None:
    """The row is made anew under the hands of who writes: the text, the field and the place in it are as they were."""
    await world.tell(alert("shared", "u-shared", at="2026-03-03T00:00:00.000Z"))
    page, _ = await opened(world.browser, f"{world.url}/#/alerts")
    await page.get_by_role("combobox", name="Group by").select_option("")
    await until(page, shows("u-shared"))
    await page.get_by_label("Details of u-shared").click()
    await page.locator(".selected form.note input").click()
    await page.keyboard.type("called tice")
    for _ in "ice":
        await page.keyboard.press("ArrowLeft")
    status, _, _ = await world.served.post("/v1/alerts/shared/assign", json={"assignee": "bob"})
    assert status == 200
    await until(page, "document.querySelector('.selected')?.innerText.includes('for bob')")
    await page.keyboard.type("w")
    assert await page.locator(".selected form.note input").input_value() == "called twice"
    await page.keyboard.press("Enter")
    await until(page, "document.querySelector('.selected .notes')?.innerText.includes('called twice')")


async def test_an_alert_about_the_whole_names_what_it_is_about(world: World) -> None:
    whole = {"rule": "site_drop", "series": "country:DE", "user_id": "", "severity": "critical", "at": "2026-02-02T00:00:00.000Z"}
    await world.tell(alert("site", **({"user": ""} | {name: value for name, value in whole.items() if name != "user_id"})))
    page, _ = await opened(world.browser, world.url)
    await until(page, shows("country DE"))
    await until(page, shows("far fewer events than usual"))


async def test_what_was_put_aside_is_looked_at_and_sent_again(world: World) -> None:
    rules = world.settings.rules
    record = FakeRecord(rules.topics.clickstream, 1, 77, 0, b"u-dead", b"not json " + HOSTILE.encode())
    letter = dead_letter(record, Rejected("not_json", "$"), rules.topics.dead, 1, "decode")
    now_ms = time.time_ns() // 1_000_000
    await produce(world.settings, rules.topics.dead, [(1, "u-dead", letter.value, now_ms)], letter.headers)
    page, said = await opened(world.browser, f"{world.url}/#/operations")
    await until(page, shows("offset 77"))
    await page.get_by_role("button", name="Bytes").click()
    await until(page, shows(f"not json {HOSTILE}"))
    await page.get_by_role("button", name="Send again", exact=True).click()
    await until(page, shows("sent again"))
    assert "run" not in said


async def test_the_inspector_says_how_to_send_an_event_of_ones_own(world: World) -> None:
    """Where a collector stands beside the server; the line is for a shell, whatever is in the id."""
    page, _ = await opened(world.browser, f"{world.url}/#/inspector/o'hara")
    await until(page, LOADED)
    assert not await page.evaluate(shows("Send an event of your own"))
    world.served.server.collects(8081, lambda: False)
    await page.reload()
    line = """curl http://127.0.0.1:8081/v1/track -d '{"event":"Product Viewed","userId":"o'\\''hara"}'"""
    await until(page, shows("Send an event of your own"))
    assert await page.inner_text(".numbered pre") == line


async def test_everything_is_reached_by_keyboard(world: World) -> None:
    """The first stop skips to the content; the views are links; the colours are a button that is remembered."""
    page, _ = await opened(world.browser, world.url, color_scheme="light")
    await until(page, LOADED)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.get_by_role("link", name="Operations").focus()
    await page.keyboard.press("Enter")
    await until(page, shows("the sum is what was read"))
    assert await page.evaluate("document.querySelector('[aria-current]').textContent") == "Operations"
    await page.get_by_role("button", name="Dark theme").focus()
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_signing_in_leads_to_the_page(world: World) -> None:
    """A form without a script; the token stays out of every address."""
    token = "a-long-enough-token-0123"
    async with serving(world.settings, Access.of("127.0.0.1", {"STREAMS_SERVE_TOKEN": token})) as served:
        page, said = await opened(world.browser, served.url.replace("127.0.0.1", "localhost"))
        await page.get_by_label("Password").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await until(page, LOADED)
        assert token not in page.url
        assert said == []


async def test_the_page_is_light(world: World) -> None:
    """Everything that the first view loads fits in 450 KB, charts included."""
    page, _ = await opened(world.browser, world.url)
    await until(page, LOADED)
    loaded = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .filter((it) => !it.name.includes("/v1/")).map((it) => it.encodedBodySize)"""
    assert 300_000 < sum(await page.evaluate(loaded)) < 450_000
