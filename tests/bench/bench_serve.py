"""The API and the live stream as their readers feel them: profiles out of Redis, many browsers on one stream, and none that loses a frame;
how soon a browser shows the page, and how soon an alert.

    python -m tests.bench.bench_serve            a Kafka and a Redis of its own, about 40 s
    python -m tests.bench.bench_serve --profile  only profiles

The server is `streams serve` in a process of its own; requests go out at fixed times, whatever became of those before. CPU is that of the
server, of one core. Prints the median of three rounds: bench NAME VALUE UNIT.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import redis.asyncio
from aiokafka import AIOKafkaProducer

from streams.core.identity import home_partition
from streams.core.user import User
from streams.settings import Settings
from streams.shell.heads import Keys
from streams.shell.topics import create_topics
from tests.browser import LOADED, chromium, opened, until
from tests.served import alert, settings_of
from tests.stack import Kafka, Redis, free_port

USERS = 1000
PER_SECOND = 500
SECONDS = 6
ROUNDS = 3
BROWSERS = 200
FRAMES_PER_SECOND = 10
VISITS = 7
ALERTS = 40
#: Notes when the row of each alert was there, as often as something on the page changes.
_WATCH = """() => {
  window.shownAt = {};
  new MutationObserver(() => {
    for (const row of document.querySelectorAll('[data-alert]')) shownAt[row.dataset.alert] ??= Date.now();
  }).observe(document.body, {childList: true, subtree: true});
}"""
DAY_MS = 86_400_000


async def save_users(settings: Settings) -> None:
    """A thousand people with some weeks behind them."""
    rules, user = settings.rules, User(settings.rules)
    types = [entry.id for entry in rules.catalogue.types[:8]]
    now_ms = time.time_ns() // 1_000_000
    async with redis.asyncio.Redis.from_url(settings.redis) as store:
        for n in range(USERS):
            key = f"user-{n}"
            user.load(key, None)
            for visit in range(30):
                at_ms = now_ms - (30 - visit) * DAY_MS - 3_600_000
                user.fold(types[(n + visit) % len(types)], at_ms, visit + 1, 0, 0, 0, visit)
            await store.hset(Keys.of(rules.app_id, home_partition(key, rules.partitions)).users.decode(), key, user.dump())


class Serving:
    """The server's process and place."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Serving]:
    port = free_port()
    env = {
        **os.environ,
        "STREAMS_BROKER": settings.broker,
        "STREAMS_REDIS": settings.redis,
        "STREAMS_CONFIG": str(settings.folder),
        "STREAMS_INSTANCE": "bench",
    }
    command = [sys.executable, "-m", "streams", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        it = Serving(process, f"http://127.0.0.1:{port}")
        async with aiohttp.ClientSession() as client, asyncio.timeout(60):
            while True:
                try:
                    async with client.get(it.url + "/ready") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
        yield it
    finally:
        process.terminate()
        process.wait(10)


async def profiles(it: Serving) -> tuple[float, float, float]:
    """p50 and p99 in ms at `PER_SECOND`, and milliseconds of CPU for each request."""
    took_ms: list[float] = []

    async def ask(client: aiohttp.ClientSession, n: int) -> None:
        began_s = time.perf_counter()
        async with client.get(f"{it.url}/v1/users/user-{n % USERS}") as answer:
            await answer.read()
            assert answer.status == 200
        took_ms.append(1000 * (time.perf_counter() - began_s))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as client:
        await asyncio.gather(*(ask(client, n) for n in range(64)))
        took_ms.clear()
        cpu_s, loop = it.cpu_s(), asyncio.get_running_loop()
        began_s, asked = loop.time(), []
        for n in range(PER_SECOND * SECONDS):
            await asyncio.sleep(began_s + n / PER_SECOND - loop.time())
            asked.append(asyncio.create_task(ask(client, n)))
        await asyncio.gather(*asked)
        cpu_ms = 1000 * (it.cpu_s() - cpu_s) / len(asked)
    took_ms.sort()
    return took_ms[len(took_ms) // 2], took_ms[len(took_ms) * 99 // 100], cpu_ms


async def stream(settings: Settings, it: Serving) -> tuple[float, int, int]:
    """Share of a core at `BROWSERS` and `FRAMES_PER_SECOND`; frames told, and frames that any browser missed.

    Every browser is cut off half way, at another moment each, and comes back with the last id that it saw.
    """
    seen: list[set[str]] = [set() for _ in range(BROWSERS)]
    last = [""] * BROWSERS
    expected: set[str] = set()

    async def browse(client: aiohttp.ClientSession, n: int, until: asyncio.Event) -> None:
        headers = {"last-event-id": last[n]} if last[n] else {}
        async with client.get(f"{it.url}/v1/stream?kinds=alerts", headers=headers) as answer:
            ident = b""
            async for line in answer.content:
                if line.startswith(b"id: "):
                    ident = line[4:].strip()
                elif line.startswith(b"data: "):
                    seen[n].update(part[:24].decode() for part in line.split(b'"alert_id": "')[1:])
                    last[n] = ident.decode() or last[n]
                if until.is_set():
                    return

    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all")
    await producer.start()
    base = alert("ALERT_ID", "u")

    async def tell(n: int) -> None:
        ident = f"alert-{n:018d}"
        expected.add(ident)
        await producer.send_and_wait(settings.rules.topics.alerts, base.replace(b"ALERT_ID", ident.encode()), b"u")

    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)) as client:
            cuts = [asyncio.Event() for _ in range(BROWSERS)]
            readers = [asyncio.create_task(browse(client, n, cuts[n])) for n in range(BROWSERS)]
            await asyncio.sleep(1)
            loop = asyncio.get_running_loop()
            cpu_s, began_s = it.cpu_s(), loop.time()
            count = SECONDS * FRAMES_PER_SECOND
            for n in range(count):
                await asyncio.sleep(began_s + n / FRAMES_PER_SECOND - loop.time())
                await tell(n)
            share = 100 * (it.cpu_s() - cpu_s) / (loop.time() - began_s)
            for n in range(count, 2 * count):  # everybody is cut off while frames go on, and comes back
                await asyncio.sleep(began_s + n / FRAMES_PER_SECOND - loop.time())
                for reader in range(n % 20, BROWSERS, 20):
                    readers[reader].cancel()
                    await asyncio.gather(readers[reader], return_exceptions=True)
                    readers[reader] = asyncio.create_task(browse(client, reader, cuts[reader]))
                await tell(n)
            async with asyncio.timeout(20):
                while any(expected - each for each in seen):
                    await asyncio.sleep(0.1)
    except TimeoutError:
        pass
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await producer.stop()
    return share, len(expected), sum(len(expected - each) for each in seen)


async def paint(it: Serving) -> tuple[float, float]:
    """A browser that has never been there: when it shows something first, and when the first view is there and live; in ms."""
    first, whole = [], []
    async with chromium() as browser:
        for _ in range(VISITS):
            page, _said = await opened(browser, it.url)
            await until(page, LOADED)
            whole.append(await page.evaluate("performance.now()"))
            first.append(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            await page.context.close()
    return statistics.median(first), statistics.median(whole)


async def inbox(settings: Settings, it: Serving) -> tuple[float, float]:
    """From the time of an alert's record to its row in the inbox of a browser, in ms: the median, and the longest."""
    took: list[float] = []
    async with chromium() as browser:
        page, _said = await opened(browser, f"{it.url}/#/alerts")
        await until(page, LOADED)
        await page.get_by_role("combobox", name="Group by").select_option("")
        await page.evaluate(_WATCH)
        producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all")
        await producer.start()
        try:
            for n in range(ALERTS):
                await asyncio.sleep(0.25)
                ident, user, at_ms = f"inbox-{n}", f"user-{n}", time.time_ns() // 1_000_000
                value = alert(ident, user, at="2026-01-31T08:00:00.000Z")
                await producer.send_and_wait(settings.rules.topics.alerts, value, user.encode(), 0, at_ms)
                await until(page, f"shownAt[{ident!r}] !== undefined")
                took.append(await page.evaluate(f"shownAt[{ident!r}]") - at_ms)
        finally:
            await producer.stop()
    return statistics.median(took), max(took)


def bench(name: str, value: float, unit: str) -> None:
    print(f"bench {name} {value:.2f} {unit}", flush=True)


async def main(arguments: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kafka, store = Kafka(Path(folder) / "kafka"), Redis(Path(folder) / "redis")
        try:
            store.start()
            kafka.start()
            Path(folder, "config").mkdir()
            settings = settings_of(Path(folder) / "config", kafka.bootstrap, store.url)
            await create_topics(settings)
            await save_users(settings)
            async with served(settings) as it:
                figures = [await profiles(it) for _ in range(ROUNDS)]
                for place, (name, unit) in enumerate((("p50", "ms"), ("p99", "ms"), ("cpu", "ms_per_request"))):
                    bench(f"serve_profile_{name}", statistics.median(each[place] for each in figures), unit)
                if not arguments.profile:
                    share, told, missed = await stream(settings, it)
                    bench("serve_stream_200_browsers_cpu", share, "percent_of_a_core")
                    bench("serve_stream_frames_told", told, "frames")
                    bench("serve_stream_frames_missed", missed, "frames")
                    first_ms, whole_ms = await paint(it)
                    bench("serve_page_first_paint", first_ms, "ms")
                    bench("serve_page_live", whole_ms, "ms")
                    middle_ms, longest_ms = await inbox(settings, it)
                    bench("serve_alert_in_inbox_p50", middle_ms, "ms")
                    bench("serve_alert_in_inbox_max", longest_ms, "ms")
        finally:
            kafka.stop()
            store.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true", help="only profiles")
    asyncio.run(main(parser.parse_args()))
