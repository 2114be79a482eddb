"""What publishing costs: our CPU per record, and the time until a step's outputs are acknowledged, on a real broker.

    python tests/bench/bench_publish.py                 a broker of its own on free ports, about a minute
    python tests/bench/bench_publish.py --records 2000  one size only

Records look like scores: six headers, 700 bytes of value. Prints medians of seven rounds; CPU is that of this process. `encode` is the part
that builds batches, without a broker.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.core.record import Output
from streams.errors import StreamsError
from streams.shell.flight import by_place
from streams.shell.producer import OutputBatch, Pace
from streams.shell.publish import KafkaPublisher
from tests.stack import Kafka, Topics

ROUNDS = 7
LANES = 12


def step_of(topic: str, partition: int, records: int) -> list[Output]:
    """The outputs of one step of a lane."""
    value = b"v" * 700

    def headers(number: int) -> list[tuple[str, bytes]]:
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", b"engagement.clickstream.v1/3/%09d" % number),
            ("ce_type", b"engagement.score"),
            ("ce_source", b"streams"),
            ("ce_time", b"2026-01-01T00:00:00.000Z"),
            ("ce_subject", b"user-%012d" % number),
        ]

    return [Output(topic, partition, b"user-%012d" % number, value, headers(number)) for number in range(records)]


async def measure(name: str, records: int, calls: int, once: Callable[[], Awaitable[object]]) -> None:
    """`once` handles `records` records; prints the medians."""
    walls, cpus = [], []
    await once()
    for _ in range(ROUNDS):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(calls):
            await once()
        walls.append((time.perf_counter() - wall_s) / calls)
        cpus.append((time.process_time() - cpu_s) / calls)
    wall_us, cpu_us = statistics.median(walls) * 1e6, statistics.median(cpus) * 1e6
    print(f"{name:34s} {records:6d} records   wall {wall_us:8.0f} us   cpu {cpu_us:8.0f} us, {cpu_us / records:7.2f} us per record")


def fail(error: StreamsError) -> None:
    raise SystemExit(str(error))


async def one_lane(broker: Kafka, topic: str, records: int, idempotence: bool) -> None:
    publisher = KafkaPublisher(broker.bootstrap, fatal=fail, idempotence=idempotence)
    step = step_of(topic, 0, records)
    kind = "idempotent" if idempotence else "not idempotent"
    await measure(f"one lane, {kind}", records, max(2, min(100, 20_000 // records)), lambda: publisher.publish(step))
    await publisher.close()


async def many_lanes(broker: Kafka, topic: str, records: int) -> None:
    publisher = KafkaPublisher(broker.bootstrap, fatal=fail)
    steps = [step_of(topic, partition, records) for partition in range(LANES)]

    async def all_lanes() -> None:
        await asyncio.gather(*(publisher.publish(step) for step in steps))

    await measure(f"{LANES} lanes at once", records * LANES, max(2, 10_000 // (records * LANES)), all_lanes)
    await publisher.close()


async def encode(topic: str, records: int) -> None:
    step = step_of(topic, 0, records)

    async def build() -> None:
        for outputs in by_place(step).values():
            at = 0
            while at < len(outputs):
                batch = OutputBatch(Pace().batch_bytes, outputs, at)
                batch.sealed(1, 0, at)
                at += batch.count

    await measure("encode", records, max(2, min(100, 20_000 // records)), build)


async def bench(broker: Kafka, sizes: list[int]) -> None:
    [topic] = await Topics(broker.bootstrap).create("scores", partitions=LANES)
    for records in sizes:
        await encode(topic, records)
        await one_lane(broker, topic, records, True)
        await one_lane(broker, topic, records, False)
        await many_lanes(broker, topic, records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, action="append", help="records per step (may be repeated)")
    sizes = parser.parse_args().records or [1, 50, 2000, 8000]
    print(f"batches of {Pace().batch_bytes:,} bytes, no compression")
    with tempfile.TemporaryDirectory() as folder:
        broker = Kafka(Path(folder)).start()
        try:
            uvloop.run(bench(broker, sizes))
        finally:
            broker.kill()


if __name__ == "__main__":
    main()
