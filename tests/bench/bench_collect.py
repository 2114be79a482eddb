"""The collector on one core, with Kafka's acknowledgements: batches of 100 events, and single events over connections that stay open.

`streams collect` runs as a process of its own, pinned to one core; Kafka and the load share the others. `per_core` is what the CPU time of
the collector alone would allow on an idle core: it hardly depends on what else the machine does, the rate by the clock does.

    python -m tests.bench.bench_collect
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.settings import Settings, load
from streams.shell.topics import create_topics
from tests.stack import Kafka, free_port

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "8"))
USERS: Final = 20_000
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def event(number: int) -> dict[str, object]:
    """What a tracker sends of a page with a product: 420 bytes."""
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": str(uuid.uuid4()),
        "anonymousId": str(uuid.UUID(int=number % USERS)),
        "userId": f"user-{number % USERS:06d}",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "properties": {"product_id": f"sku-{number % 977}", "category": "shoes", "price": 59.9, "url": "https://shop.example/p/1"},
        "context": {"library": {"name": "analytics-node", "version": "3.1.0"}, "locale": "de-DE"},
    }


def request(path: str, content: object) -> bytes:
    body = json.dumps(content).encode()
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        len(body),
        body,
    )


async def client(port: int, requests: Sequence[bytes], until_s: float) -> int:
    """Sends one request after the other over one connection; returns how many were answered 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    try:
        while time.monotonic() < until_s:
            writer.write(requests[done % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200"), head + body
            done += 1
    finally:
        writer.close()
    return done


async def measure(name: str, port: int, pid: int, connections: int, requests: Sequence[Sequence[bytes]], events: int) -> int:
    """Prints the figures of one kind of load; returns how many events were acknowledged."""
    started_s, cpu_s = time.monotonic(), cpu_of(pid)
    answered = sum(await asyncio.gather(*(client(port, requests[n], started_s + SECONDS) for n in range(connections))))
    took_s, cpu_s = time.monotonic() - started_s, cpu_of(pid) - cpu_s
    what = "events" if events > 1 else "requests"
    print(f"bench collect_{name} {answered * events / took_s:.0f} {what}/s")
    print(f"bench collect_{name}_per_core {answered * events / cpu_s:.0f} {what}/CPU-s")
    return answered * events


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def records(settings: Settings) -> int:
    """How many records lie on the clickstream topic."""
    places = [TopicPartition(settings.rules.topics.clickstream, p) for p in range(settings.rules.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker)
    await consumer.start()
    try:
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


async def ready(port: int) -> None:
    """The collector has reached Kafka."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            if answer.startswith(b"HTTP/1.1 200"):
                return
        await asyncio.sleep(0.1)


async def run(folder: Path, kafka: Kafka) -> None:
    (folder / "config").mkdir()
    # The load is 20,000 people in a few seconds: nobody would be that fast.
    (folder / "config" / "streams.yaml").write_text(yaml.safe_dump({"collect": {"velocity_per_min": 0}}))
    env = os.environ | {"STREAMS_BROKER": kafka.bootstrap, "STREAMS_CONFIG": str(folder / "config")}
    settings = load(None, env)
    await create_topics(settings)
    port = free_port()
    collector = subprocess.Popen([sys.executable, "-m", "streams", "collect", "--port", str(port)], env=env)
    try:
        os.sched_setaffinity(collector.pid, {0})
        await ready(port)
        batches = [
            [request("/v1/batch", {"batch": [event(n) for n in range(b, b + 100)]}) for b in range(c, c + 4000, 100)] for c in range(8)
        ]
        sent = await measure("batch_100", port, collector.pid, 8, batches, 100)
        singles = [[request("/v1/track", event(n)) for n in range(c, c + 200)] for c in range(64)]
        sent += await measure("single", port, collector.pid, 64, singles, 1)
        print(f"bench collect_lost {sent - await records(settings)} events")
    finally:
        collector.terminate()
        collector.wait()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-collect-") as folder:
        kafka = Kafka(Path(folder) / "kafka")
        try:
            kafka.start()
            asyncio.run(run(Path(folder), kafka))
        finally:
            kafka.kill()


if __name__ == "__main__":
    main()
