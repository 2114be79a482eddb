"""Pictures of the page for docs and README: each view, light and dark, of a seeded shop on real servers.

    python -m tests.screenshots [FOLDER] [--keep]

`--keep` leaves the shop open until Ctrl-C, and prints its address: for looking at the page while it is being made.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import yaml
from playwright.async_api import Browser

from streams.replay.write import write_in_parts
from streams.serve.app import Server
from streams.settings import Settings, load
from streams.shell.topics import create_topics
from streams.sim.tracker import Tracker
from streams.sim.world import World
from tests.browser import LOADED, chromium, opened, until
from tests.served import Served, serving
from tests.stack import Kafka, Redis

SEED: Final = 7
DAYS: Final = 90
USERS: Final = 1200
RATE: Final = 24.0
#: The first chart shows three minutes.
LIVE_S: Final = 200
#: Views by the name of their picture. The user is one who needs attention.
VIEWS: Final = {
    "now": "#/now",
    "alerts": "#/alerts",
    "user": "#/users/{user}",
    "metrics": "#/metrics",
    "funnel": "#/funnel",
    "inspector": "#/inspector",
    "operations": "#/operations",
}


@contextlib.asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Served]:
    """A shop with 90 days of history and live traffic, a worker that has counted all of it, and the page."""
    kafka, redis = Kafka(folder / "kafka").start(), Redis(folder / "redis").start()
    try:
        settings = configured(folder / "config", kafka, redis)
        await create_topics(settings)
        world = World(SEED, USERS, churn=settings.rules.churn, drop=settings.rules.drop)
        env = {"STREAMS_BROKER": kafka.bootstrap, "STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(folder / "config")}
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streams", "worker", env={"PATH": "", **env, "STREAMS_INSTANCE": "worker-1"}
        )
        try:
            async with serving(settings, ready=False, most_s=None) as page:

                async def counted() -> None:
                    await asyncio.sleep(2.0)  # the server looks each second
                    while not has_counted(page.server):
                        await asyncio.sleep(0.5)

                await write_in_parts(world.history(DAYS, now_ms()), settings, counted)
                await counted()
                tracker = Tracker(world.live(now_ms(), RATE), settings)
                sending = asyncio.create_task(tracker.run())
                try:
                    yield page
                finally:
                    tracker.stop()
                    await sending
        finally:
            worker.terminate()
            await worker.wait()
    finally:
        kafka.kill()
        redis.kill()


def configured(folder: Path, kafka: Kafka, redis: Redis) -> Settings:
    """The shipped rules, on four partitions of one broker."""
    folder.mkdir(parents=True)
    for file in Path("config").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    topics = yaml.safe_load((folder / "topics.yaml").read_text(encoding="utf-8"))
    topics["partitions"], topics["replication"] = 4, 1
    for spec in topics["topics"].values():
        if "retention_days" in spec:
            spec["retention_days"] = 400
    (folder / "topics.yaml").write_text(yaml.safe_dump(topics), encoding="utf-8")
    return load(
        None, {"STREAMS_BROKER": kafka.bootstrap, "STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(folder), "STREAMS_INSTANCE": "page"}
    )


def has_counted(server: Server) -> bool:
    """Whether the worker has counted what was written."""
    stats = server.standing.stats
    return bool(stats.lag) and not any(stats.lag.values()) and stats.read > 0 and not server.waiting_for()


async def photograph(browser: Browser, site: Served, folder: Path) -> None:
    """A picture of each view in each theme lies in `folder`."""
    user = next((alert.user_id for alert in site.server._inbox.newest("firing", 50) if alert.user_id), "user-000001")
    for scheme in ("light", "dark"):
        page, said = await opened(browser, site.url, color_scheme=scheme, viewport={"width": 1440, "height": 900}, device_scale_factor=1.5)
        for name, view in VIEWS.items():
            await page.evaluate(f"location.hash = {view.format(user=user)!r}")
            await until(page, LOADED)
            await page.wait_for_timeout(2500)  # charts are painted, the stream has told
            await page.screenshot(path=folder / f"{name}-{scheme}.png", animations="disabled")
        if said:
            raise SystemExit(f"the page has said on its console: {said}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/images"))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streams-shop-") as own:
        async with shop(Path(own)) as page:
            print(f"{page.url}/", flush=True)
            if options.keep:
                await asyncio.Event().wait()
            async with chromium() as browser:
                await asyncio.sleep(LIVE_S)
                options.folder.mkdir(parents=True, exist_ok=True)
                await photograph(browser, page, options.folder)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
