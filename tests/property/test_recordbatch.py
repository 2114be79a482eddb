"""Our batches are those of aiokafka's builder, byte for byte, whatever is in them."""

from collections.abc import Sequence

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.core.record import Output
from streams.core.recordbatch import Packed, arena, prefixed
from streams.core.writer import Writer
from streams.shell.producer import OutputBatch

TEXTS = st.none() | st.binary(max_size=200) | st.sampled_from([b"", b"v" * 63, b"v" * 64, b"v" * 8191, b"v" * 8192])
HEADERS = st.lists(st.tuples(st.text(max_size=70), TEXTS), max_size=8)
#: Also before the first one of the batch, and as far as 64 bits go from either side of 1970.
TIMES = st.integers(-(2**40), 2**50)
OUTPUTS = st.lists(st.builds(Output, st.just("t"), st.just(0), TEXTS, TEXTS, HEADERS, TIMES), min_size=1, max_size=20)


def theirs(outputs: Sequence[Output], at: int, limit: int) -> BatchBuilder:
    """The batch that aiokafka makes of the outputs from `at` on."""
    builder = BatchBuilder(limit, 0)
    for output in outputs[at:]:
        if builder.append(timestamp=output.timestamp_ms, key=output.key, value=output.value, headers=list(output.headers)) is None:
            break
    return builder


@given(OUTPUTS, st.integers(61, 20_000), st.integers(-1, 2**60), st.integers(-1, 2**15 - 1), st.integers(0, 2**31 - 1))
def test_a_batch_is_the_one_that_aiokafka_makes(outputs: list[Output], limit: int, ident: int, epoch: int, sequence: int) -> None:
    at = 0
    while at < len(outputs):
        ours, other = OutputBatch(limit, outputs, at), theirs(outputs, at, limit)
        assert ours.count == other.record_count() > 0
        assert ours.size == other.size()
        other._set_producer_state(ident, epoch, sequence)
        assert bytes(ours.sealed(ident, epoch, sequence)) == bytes(other._build())
        at += ours.count


@given(OUTPUTS)
def test_without_idempotence_too_and_it_is_the_same_when_it_is_sent_again(outputs: list[Output]) -> None:
    ours, other = OutputBatch(1_000_000, outputs, 0), theirs(outputs, 0, 1_000_000)
    assert bytes(ours.sealed(-1, -1, 0)) == bytes(other._build()) == bytes(ours.sealed(7, 1, 99))


def test_a_record_without_a_time_gets_that_of_its_batch() -> None:
    batch = OutputBatch(1_000_000, [Output("t", 0, b"k", b"v", []), Output("t", 0, b"k", b"w", [], 5)], 0)
    read: DefaultRecordBatch = MemoryRecords(bytes(batch.sealed(-1, -1, 0))).next_batch()
    assert read.validate_crc()
    first, second = read
    assert first.timestamp > 1_600_000_000_000
    assert (second.timestamp, second.value) == (5, b"w")


def written(output: Output, into: Writer) -> Packed:
    """The output in an arena, behind what is there."""
    start = into.size
    for text in (output.key, output.value):
        into.raw(prefixed(text))
    into.varint(len(output.headers))
    for name, text in output.headers:
        into.raw(prefixed(name.encode()) + prefixed(text))
    assert output.timestamp_ms is not None
    return Packed(output.topic, output.partition, output.timestamp_ms, into, start)


@given(OUTPUTS.map(lambda outputs: [it._replace(headers=[(name, text or b"") for name, text in it.headers]) for it in outputs]))
def test_what_is_packed_reads_as_what_it_was_and_leaves_as_the_same_bytes(outputs: list[Output]) -> None:
    first = Writer(16)
    packed = [written(output, first) for output in outputs]
    assert [it.unpacked() for it in packed] == outputs
    assert [(it.key, it.value, it.headers, it.timestamp_ms) for it in packed] == [tuple(output)[2:] for output in outputs]
    again = Writer()
    assert packed == [written(output, again) for output in outputs]
    assert bytes(OutputBatch(1_000_000, packed, 0).sealed(-1, -1, 0)) == bytes(theirs(outputs, 0, 1_000_000)._build())


def test_an_arena_is_left_before_it_is_full_and_what_is_in_it_stays() -> None:
    first = arena()
    kept = written(Output("t", 0, b"k", b"v", [], 1), first)
    while arena() is first:
        written(Output("t", 0, None, b"x" * 1000, [], 1), first)
    assert kept.value == b"v"
    assert "b'v'" in repr(kept)
