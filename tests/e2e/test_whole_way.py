"""From a person's own event to the person's screen: collector, Kafka, worker, Redis, server and Chromium, each a process of its own."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from streams.serve.accounts import Accounts
from streams.settings import Settings
from tests.browser import LOADED, chromium, opened, shows, until
from tests.collecting import keys
from tests.served import produce, secured
from tests.server import free_port
from tests.stack import Kafka, Redis

pytestmark = [pytest.mark.services, pytest.mark.asyncio(loop_scope="module")]

ROOT: Final = Path(__file__).resolve().parents[2]
#: Ends hangs only.
LONG_S: Final = 240

TOKEN, REDIS_PASSWORD, WRITE_KEY, PASSWORD = (f"canary-{what}-0123456789" for what in ("token", "redis", "key", "sentence"))
#: What somebody may write into every field: it is to be seen as it is, to do nothing, and to be nowhere else.
MARK: Final = "<img src=x onerror=console.log('run')> canary-email@example.org"


class System(NamedTuple):
    """A worker and a server, by the commands that start them in production, with every secret that they can have; and a browser."""

    settings: Settings
    browser: Browser
    url: str
    collect_url: str
    metrics_url: str
    pids: tuple[int, int]
    logs: tuple[Path, Path]

    async def signed_in(self) -> tuple[Page, list[str]]:
        page, said = await opened(self.browser, self.url)
        await page.get_by_label("Password").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await until(page, LOADED)
        return page, said

    async def send(self, path: str, event: Any) -> int:
        async with aiohttp.ClientSession() as client:
            headers = {"authorization": aiohttp.encode_basic_auth(WRITE_KEY, ""), "user-agent": MARK}
            async with client.post(self.collect_url + path, data=json.dumps(event).encode(), headers=headers) as answer:
                assert MARK not in await answer.text()
                return answer.status


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(kafka: Kafka, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("whole-way")
    settings = await secured(folder, kafka, redis)
    keys(folder, {"key": WRITE_KEY, "source": "shop"})
    Accounts(folder / "users.yaml").put("viewer", ["viewer"], PASSWORD)
    env = {
        "STREAMS_BROKER": settings.broker,
        "STREAMS_KAFKA_PASSWORD": Kafka.PASSWORD,
        "STREAMS_REDIS": settings.redis.replace("redis://", f"redis://default:{REDIS_PASSWORD}@"),
        "STREAMS_CONFIG": str(folder),
        "STREAMS_INSTANCE": "w1",
        "STREAMS_SERVE_TOKEN": TOKEN,
        "STREAMS_USERS": str(folder / "users.yaml"),
    }
    metrics = f"127.0.0.1:{free_port()}"
    logs = folder / "worker.log", folder / "serve.log"
    serve = ("serve", "--port", "0", "--collect-port", "0")
    async with (
        chromium() as browser,
        running(env | {"STREAMS_METRICS": metrics}, logs[0], "worker") as worker,
        running(env, logs[1], *serve) as server,
    ):
        collect_url = await said_in(logs[1], r"^(http://\S+)/  takes events$", server)
        url = await said_in(logs[1], r"^(http://\S+/)$", server)
        yield System(settings, browser, url, collect_url, f"http://{metrics}", (worker.pid, server.pid), logs)


async def test_an_event_goes_from_the_collector_to_the_page(system: System) -> None:
    page, said = await system.signed_in()
    user = await own_event_as_the_page_says(page)
    await page.get_by_role("link", name=user).first.click()
    await until(page, shows("Engagement is"))
    assert float(await page.inner_text(".lead .score")) > 0
    await until(page, "[...document.querySelectorAll('.story li')].some((it) => it.innerText.includes('product viewed'))")
    # Before the event, Chromium notes by itself that there is no such user.
    assert [line for line in said if "404" not in line] == []


async def test_what_others_write_is_seen_as_it_is_does_nothing_and_is_nowhere_else(system: System) -> None:
    """The mark in every field of every call, in what is refused by collector and worker, and in headers: the page shows it as text.

    In logs, figures, headers that we add, and in what `ps` shows, there is neither it nor any secret.
    """
    about = {"properties": FIELDS, "traits": FIELDS, "context": CONTEXT, "integrations": FIELDS, "name": MARK, "groupId": MARK}
    names = ["Product Viewed", "Feature Used", "Survey Answered", "Email Sent", "Email Clicked", "Page Viewed", MARK]
    events = [{"type": "track", "event": name, **about} for name in names]
    events += [{"type": kind, "previousId": MARK, **about} for kind in ("page", "screen", "identify", "group", "alias")]
    whole = [{**event, "userId": MARK, "messageId": f"{MARK}{n}", "anonymousId": MARK} for n, event in enumerate(events)]
    assert await system.send("/v1/batch", {"batch": [*whole, {**whole[0], "timestamp": MARK}], "context": CONTEXT}) == 200
    for path, event in (
        ("/capture/", {"event": MARK, "distinct_id": MARK, "properties": FIELDS, "timestamp": MARK}),
        ("/mp/collect", {"client_id": MARK, "events": [{"name": MARK, "params": FIELDS}]}),
        ("/cloudevents", {"specversion": MARK, "id": MARK, "source": MARK, "type": MARK, "subject": MARK, "data": FIELDS}),
        (f"/v1/{MARK}", {}),
    ):
        await system.send(path, event)
    topics, now_ms = system.settings.rules.topics, time.time_ns() // 1_000_000
    pills = [MARK, json.dumps({**whole[0], "userId": [MARK]}), json.dumps({**whole[0], "timestamp": MARK}), json.dumps({"userId": MARK})]
    await produce(system.settings, topics.clickstream, [(0, MARK, pill.encode(), now_ms) for pill in pills], [(MARK, MARK.encode())])

    page, said = await system.signed_in()
    address = f"encodeURIComponent({MARK!r})"
    for view, seen in (
        (f"'#/users/' + {address}", MARK),
        (f"'#/inspector/' + {address}", "put aside as a dead letter: not json"),
        ("'#/inspector'", MARK),
        ("'#/operations'", "offset"),
        ("'#/metrics'", "The business"),
        ("'#/alerts'", "Alerts"),
        ("'#/funnel'", "Funnel"),
        ("'#/now'", "Events per second"),
    ):
        await page.evaluate(f"location.hash = {view}")
        await until(page, LOADED)
        await until(page, shows(seen))
    await page.evaluate("location.hash = '#/metrics'")
    await page.get_by_role("combobox", name="By part").select_option("campaign")
    await page.get_by_role("combobox", name="Figure").select_option("ctr")
    await until(page, shows(MARK))
    assert "run" not in said

    secrets = [TOKEN, REDIS_PASSWORD, WRITE_KEY, PASSWORD, "canary", "argon2"]
    secrets += [cookie["value"] for cookie in await page.context.cookies()]  # type: ignore[typeddict-item]
    secrets.append(await page.evaluate("fetch('/v1/session').then((it) => it.json()).then((it) => it.csrf)"))
    found = {f"ps of {pid}": Path(f"/proc/{pid}/cmdline").read_text() for pid in system.pids}
    found |= {log.name: log.read_text() for log in system.logs}
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {TOKEN}"}) as client:
        for url in (f"{system.metrics_url}/metrics", f"{system.metrics_url}/ready", f"{system.url}metrics", f"{system.url}v1/status"):
            async with client.get(url) as answer:
                found[url] = await answer.text() + str(answer.headers)
    assert 'streams_dead_letters_total{reason="not_json"' in found[f"{system.metrics_url}/metrics"]
    assert [(place, secret) for place, text in found.items() for secret in secrets if secret in text] == []


NAMES: Final = """category feature campaign survey utm_source referrer url path title product_id sku order_id name email plan currency
channel search coupon message_id"""
FIELDS: Final = dict.fromkeys([*NAMES.split(), MARK], MARK)
CONTEXT: Final = {
    "campaign": {"name": MARK, "source": MARK, "medium": MARK},
    "page": {"url": MARK, "referrer": MARK, "title": MARK, "path": MARK},
    "device": {"type": MARK, "id": MARK},
    "location": {"country": MARK},
    "library": {"name": MARK, "version": MARK},
    "os": {"name": MARK},
    "locale": MARK,
    "timezone": MARK,
    "userAgent": MARK,
}


@pytest.mark.long
async def test_a_newcomer_sees_an_event_of_their_own(tmp_path: Path) -> None:
    """A fresh demo, as `make demo` starts it: its first line is where the page is; from there on, only what the page says."""
    log = tmp_path / "demo.log"
    async with running({"TMPDIR": str(tmp_path)}, log, "demo", "--plain") as demo, chromium() as browser:
        url = await said_in(log, r"\A   the page:  (\S+)$", demo)
        page, _ = await opened(browser, url)
        await own_event_as_the_page_says(page)
        demo.send_signal(signal.SIGINT)
        assert await demo.wait() == 0
    assert "Nothing is left running." in log.read_text()
    assert list(tmp_path.glob("streams-demo-*")) == []


async def own_event_as_the_page_says(page: Page) -> str:
    """Follows the card, step by step; the id that it proposed. The event has arrived, was read and counted, and gave a score."""
    await until(page, LOADED)
    await page.get_by_role("link", name="Inspector").click()
    watch = page.locator(".numbered a.id")
    user = (await watch.get_attribute("href") or "").rpartition("/")[2]
    await watch.click()
    await until(page, shows(f"Records of {user}"))
    await until(page, "document.querySelector('.trail')?.closest('section').querySelector('.link').dataset.state === 'live'")
    line = (await page.inner_text(".numbered pre")).replace("WRITE_KEY", WRITE_KEY)
    curl = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    assert (await curl.communicate())[0] == b'{"success":true}'
    for text in ("Reads as product viewed", "counted in step", "since you began to watch", "engagement score"):
        await until(page, shows(text))
    return user


@asynccontextmanager
async def running(env: Mapping[str, str], log: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`streams COMMAND` runs inside the block; what it says lies in `log`."""
    here = {name: value for name, value in os.environ.items() if not name.startswith("STREAMS_")}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams", *command), cwd=ROOT, env={**here, **env}, stdout=out, stderr=asyncio.subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def said_in(log: Path, pattern: str, process: asyncio.subprocess.Process) -> str:
    """What the log has at the group of `pattern`, as soon as it has it."""
    async with asyncio.timeout(LONG_S):
        while not (found := re.search(pattern, log.read_text(), re.MULTILINE)):
            assert process.returncode is None, log.read_text()
            await asyncio.sleep(0.02)
    return found.group(1)
