"""The page in Chromium, served by the real server from a real broker and a real Redis: what a person sees, on a desk and on a phone."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from streams.core.identity import home_partition
from streams.core.user import User
from streams.serve.access import Access
from streams.settings import Settings
from streams.shell.heads import Keys
from streams.shell.topics import create_topics
from tests.served import Served, alert, produce, score, serving, settings_of
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

VIEWS = ("#/now", "#/alerts", "#/users", "#/users/u-alice", "#/users/nobody", "#/operations")
#: Without these it looks for hosts of its maker at every start.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
HOSTILE = "<img src=x onerror=console.log('run')>"
#: Ends hangs only.
LONG_S = 60


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    mine = settings_of(tmp_path, kafka.bootstrap, redis.url)
    await create_topics(mine)
    now_ms = time.time_ns() // 1_000_000
    people: list[tuple[int, str, bytes | None, int]] = [(n % 2, f"u{n}", score(f"u{n}", n, "warm"), now_ms) for n in range(100)]
    await produce(mine, mine.rules.topics.scores, people)
    alerts = [alert(f"old-{n}", f"a-user-with-quite-a-long-name-{n}-of-many-parts", at=f"2026-01-01T00:00:0{n}.000Z") for n in range(8)]
    await tell(mine, *alerts, alert("x", HOSTILE, severity="critical"), alert("r", "u-alice", status="resolved"))
    await produce(mine, mine.rules.topics.journal, [(0, "0", b'{"fates":{"counted":50}}', now_ms)])
    return mine


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing = "the page needs Chromium (`chromium` is not on the path)"
        if os.environ.get("STREAMS_REQUIRE_SERVICES") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(f"NOT RUN: {missing}")
    async with async_playwright() as playwright:
        mine = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield mine
        await mine.close()


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with serving(settings) as mine:
        rules = settings.rules
        user = User(rules)
        user.load("u-alice", None)
        for n, entry in enumerate(rules.catalogue.types[:6]):
            user.fold(entry.id, time.time_ns() // 1_000_000 - n * 86_400_000, n + 1, 0, 0, 0, n)
        await mine.server._redis.hset(Keys.of(rules.app_id, home_partition("u-alice", 2)).users.decode(), "u-alice", user.dump())
        yield mine


async def tell(settings: Settings, *alerts: bytes) -> None:
    await produce(settings, settings.rules.topics.alerts, [(0, "u", each, time.time_ns() // 1_000_000) for each in alerts])


async def opened(browser: Browser, url: str, **options: Any) -> tuple[Page, list[str]]:
    """A page that is open at `url`, and everything that it ever says on its console."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(url)
    return page, said


async def until(page: Page, script: str) -> None:
    """`script` is true. Asked from here, once a frame: the policy of the page forbids code that it would be given to watch with."""
    async with asyncio.timeout(LONG_S):
        while not await page.evaluate(f"new Promise((done) => requestAnimationFrame(() => done({script})))"):
            pass


def shows(text: str) -> str:
    """A script: whether the page shows `text`."""
    return f"document.body.innerText.includes({text!r})"


LOADED = "document.querySelector('#link')?.textContent === 'Live' && !document.querySelector('main').innerText.includes('Loading')"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_view_has_anything_to_say_on_the_console_or_is_closed_to_anybody(browser: Browser, served: Served, scheme: Any) -> None:
    """No error, no refused script or style, no violation of an accessibility rule, in both colours."""
    page, said = await opened(browser, served.url, color_scheme=scheme)
    for view in VIEWS:
        await page.evaluate(f"location.hash = {view!r}")
        await until(page, LOADED)
        found = await Axe().run(page)
        assert [(it["id"], [node["html"] for node in it["nodes"]]) for it in found.response["violations"]] == [], view
    # A user that nobody has seen is an answer of the API that Chromium notes by itself.
    assert [line for line in said if "404" not in line] == []


@pytest.mark.parametrize("view", VIEWS)
async def test_a_phone_never_scrolls_sideways(browser: Browser, served: Served, view: str) -> None:
    page, _ = await opened(browser, f"{served.url}/{view}", viewport={"width": 360, "height": 780})
    await until(page, LOADED)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate(
        "[...document.querySelectorAll('main *')].every((it) => it.closest('.scroll, canvas, .movers') || "
        "it.getBoundingClientRect().right <= innerWidth + 1)"
    )


async def test_an_alert_is_seen_after_its_record_and_its_end_after_the_resolve(
    browser: Browser, settings: Settings, served: Served
) -> None:
    page, _ = await opened(browser, served.url)
    await until(page, LOADED)
    await tell(settings, alert("new", "u-bob", at="2026-02-01T00:00:00.000Z"))
    await until(page, shows("u-bob"))
    await until(page, shows("9 days without a visit"))
    await until(page, shows("one visit would clear it"))
    await tell(settings, alert("new", "u-bob", at="2026-02-01T00:00:00.000Z", status="resolved"))
    await until(page, f"!{shows('u-bob')}")


async def test_an_alert_of_an_outage_is_there_when_the_server_is_back(browser: Browser, settings: Settings) -> None:
    """The page says that it is reconnecting, does so by itself, and has missed nothing."""
    async with serving(settings) as first:
        port = int(first.url.rpartition(":")[2])
        page, _ = await opened(browser, first.url)
        await until(page, LOADED)
    await until(page, shows("Reconnecting"))
    await tell(settings, alert("meanwhile", "u-carol", at="2026-02-01T00:00:00.000Z"))
    async with serving(settings, port=port):
        await until(page, LOADED)
        await until(page, shows("u-carol"))


async def test_a_users_name_is_shown_and_never_run(browser: Browser, served: Served) -> None:
    page, said = await opened(browser, f"{served.url}/#/alerts")
    await until(page, shows(HOSTILE))
    await page.evaluate(f"location.hash = '#/users/' + encodeURIComponent({HOSTILE!r})")
    await until(page, shows(f"Nobody has seen {HOSTILE}"))
    assert "run" not in said


async def test_a_user_is_looked_up_and_told(browser: Browser, served: Served) -> None:
    page, _ = await opened(browser, f"{served.url}/#/users")
    await page.get_by_role("searchbox").fill("u-alice")
    await page.get_by_role("button", name="Look up").click()
    for text in ("Chance of leaving within 30 days", "Engagement is", "If they stay away", "sessions"):
        await until(page, shows(text))


async def test_everything_is_reached_by_keyboard(browser: Browser, served: Served) -> None:
    """The first stop skips to the content; the views are links; the colours are a button that is remembered."""
    page, _ = await opened(browser, served.url, color_scheme="light")
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


async def test_signing_in_leads_to_the_page(browser: Browser, settings: Settings) -> None:
    """A form without a script; the token stays out of every address."""
    token = "a-long-enough-token-0123"
    async with serving(settings, Access.of("127.0.0.1", {"STREAMS_SERVE_TOKEN": token})) as served:
        page, said = await opened(browser, served.url.replace("127.0.0.1", "localhost"))
        await page.get_by_label("Token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await until(page, LOADED)
        assert token not in page.url
        assert said == []


async def test_the_page_is_light(browser: Browser, served: Served) -> None:
    """Everything that the first view loads fits in 450 KB, charts included."""
    sizes: list[int] = []
    page = await browser.new_page()
    reading: list[asyncio.Task[None]] = []

    async def add(request: Any) -> None:
        sizes.append((await request.sizes())["responseBodySize"])

    page.on("requestfinished", lambda request: reading.append(asyncio.ensure_future(add(request))))
    await page.goto(served.url)
    await until(page, LOADED)
    await asyncio.gather(*reading)
    assert 300_000 < sum(sizes) < 450_000
