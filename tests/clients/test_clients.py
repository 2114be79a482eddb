"""Unmodified trackers send to the collector through an outage of Kafka: each event is counted once."""

import asyncio
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from aiohttp import web
from playwright.async_api import async_playwright

from streams.settings import Settings
from streams.shell.topics import create_topics
from tests.clients.senders import EVENTS, SENDERS, USERS
from tests.collecting import KEY, Collected, Topics
from tests.served import settings_of
from tests.stack import Kafka

pytestmark = [pytest.mark.services, pytest.mark.timeout(280)]

HERE: Final = Path(__file__).parent
PACKAGES: Final = HERE.parent.parent / ".cache" / "clients"
CHROMIUM: Final = "/usr/bin/chromium"
#: The browser as people have it; its own name would be that of a robot.
CHROME: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
#: Those that are tried in `make test`, too; the others in `make e2e`.
QUICK: Final = ("segment", "segment-gzip", "cloudevents")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka: Kafka) -> Iterator[Kafka]:
    """A broker that may be stopped: the other tests' one is not ours to stop. `kafka` says whether there can be one at all."""
    mine = Kafka(tmp_path_factory.mktemp("clients-kafka"))
    yield mine.start()
    mine.kill()


@pytest.fixture(scope="module")
def settings(broker: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    mine = settings_of(tmp_path_factory.mktemp("clients"), broker.bootstrap, "redis://127.0.0.1:1/0")
    asyncio.run(create_topics(mine))
    # An outage of a second or two should be one: ten seconds are for people's patience.
    return msgspec.structs.replace(mine, collect=msgspec.structs.replace(mine.collect, answer_s=0.4))


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder with the packages of package.json; installed when they are not the ones that it asks for."""
    if not shutil.which("npm"):
        pytest.fail("npm is needed: the clients for Node and browsers are installed with it", pytrace=False)
    PACKAGES.mkdir(parents=True, exist_ok=True)
    wanted, done_for = (HERE / "package.json").read_text(), PACKAGES / "installed.json"
    if not done_for.exists() or done_for.read_text() != wanted:
        (PACKAGES / "package.json").write_text(wanted)
        install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=PACKAGES, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"npm install failed:\n{done.stdout}{done.stderr}", pytrace=False)
        done_for.write_text(wanted)
    return PACKAGES


def answered_503(collected: Collected) -> bool:
    found = collected.collector.figures.registry.get_sample_value
    return any(found("streams_collect_requests_total", {"dialect": it, "status": "503"}) for it in DIALECTS)


DIALECTS: Final = ("segment", "posthog", "ga4", "cloudevents", "snowplow")


async def through_an_outage(broker: Kafka, collected: Collected, *command: str, cwd: Path | None = None) -> None:
    """The command has ended well: Kafka stood still when it began, and went on when the collector had said 503 once."""
    broker.pause()
    try:
        process = await asyncio.create_subprocess_exec(*command, cwd=cwd)
        while not answered_503(collected):
            assert process.returncode is None, "it ended before it was heard"
            await asyncio.sleep(0.02)
    finally:
        broker.resume()
    assert await process.wait() == 0


async def each_once(lying: Topics, names: set[str], events: int = EVENTS) -> None:
    """Every event lies on the topic exactly once, under its own id, on its user's partition."""
    found = await lying.written()
    assert {record.role for record in found} == {"clickstream"}
    assert Counter(record.key for record in found) == {f"user-{n}": events // USERS for n in range(USERS)}
    assert len({record.event["messageId"] for record in found}) == events
    assert {record.event.get("event") or record.event["type"] for record in found} == names


NAMES: Final = {
    "snowplow": {"page", "Product Viewed", "product_viewed"},
    "snowplow-get": {"page", "Product Viewed", "product_viewed"},
    "ga4": {"view_item"},
    "cloudevents": {"product_viewed"},
}


THROUGH_OUTAGES: Final = [name for name in SENDERS if name != "snowplow-get"]


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in THROUGH_OUTAGES])
async def test_a_python_client_counts_once_through_an_outage(broker: Kafka, collected: Collected, lying: Topics, name: str) -> None:
    command = (sys.executable, "-m", "tests.clients.senders", name, collected.url, KEY)
    await through_an_outage(broker, collected, *command, cwd=HERE.parent.parent)
    await each_once(lying, NAMES.get(name, {"Product Viewed"}))


@pytest.mark.long
async def test_the_pixel_of_snowplow_counts_once(collected: Collected, lying: Topics) -> None:
    """Without an outage: by GET its Python library forgets the events of a flush that failed when the last one of it did not."""
    command = (sys.executable, "-m", "tests.clients.senders", "snowplow-get", collected.url, KEY)
    process = await asyncio.create_subprocess_exec(*command, cwd=HERE.parent.parent)
    assert await process.wait() == 0
    await each_once(lying, NAMES["snowplow-get"])


@pytest.mark.long
@pytest.mark.parametrize("name", ["segment", "posthog"])
async def test_a_node_client_counts_once_through_an_outage(
    broker: Kafka, collected: Collected, lying: Topics, packages: Path, name: str
) -> None:
    await through_an_outage(broker, collected, "node", str(HERE / "senders.mjs"), name, collected.url, KEY, cwd=packages)
    await each_once(lying, {"Product Viewed"})


async def _shop(_: web.Request) -> web.Response:
    """A page that has Segment's library and nothing else."""
    return web.Response(text="<!doctype html><title>shop</title><script src=/umd/index.js></script>", content_type="text/html")


@pytest.mark.long
async def test_the_browser_client_counts_once_through_an_outage(broker: Kafka, collected: Collected, lying: Topics, packages: Path) -> None:
    """Segment's library in Chromium, on a page of another origin: preflight, short paths, `text/plain`, tries again."""
    app = web.Application()
    app.router.add_static("/umd", packages / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd")
    app.router.add_get("/", _shop)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    page_url = f"http://localhost:{runner.addresses[0][1]}/"
    host = collected.url.removeprefix("http://")
    script = """async ([host, key, events, users]) => {
        const settings = {integrations: {"Segment.io": {apiKey: key, apiHost: `${host}/v1`, protocol: "http"}}};
        const analytics = window.AnalyticsNext.AnalyticsBrowser.load({writeKey: key, cdnSettings: settings}, {retryQueue: true});
        for (let n = 0; n < events; n++) {
            await analytics.identify(`user-${n % users}`);
            await analytics.track("Product Viewed", {n});
        }
    }"""
    try:
        async with async_playwright() as playwright:
            arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            page = await (await browser.new_context(user_agent=CHROME)).new_page()
            await page.goto(page_url)
            broker.pause()
            try:
                running = asyncio.create_task(page.evaluate(script, [host, KEY, EVENTS, USERS]))
                while not answered_503(collected):
                    assert not running.done() or running.exception() is None, running
                    await asyncio.sleep(0.02)
            finally:
                broker.resume()
            await running
            async with asyncio.timeout(120):
                while len({record.event["messageId"] for record in await lying.written()}) < 2 * EVENTS:
                    await asyncio.sleep(0.1)
            await browser.close()
    finally:
        await runner.cleanup()
    await each_once(lying, {"identify", "Product Viewed"}, 2 * EVENTS)
