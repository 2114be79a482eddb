"""What is kept until Kafka has it."""

import asyncio

import aiokafka.errors as kafka
import pytest

from streams.core.record import Output
from streams.shell.flight import Batch, Kept, Round, by_place, forget

A, B = ("scores", 0), ("alerts", 0)


def output(place: tuple[str, int], number: int) -> Output:
    return Output(*place, b"%d" % number, b"", [])


def keys(kept: Kept) -> dict[tuple[str, int], list[bytes | None]]:
    return {place: [output.key for output in outputs] for place, outputs in kept.items()}


def five() -> Kept:
    return by_place([output(A, 1), output(B, 2), output(A, 3), output(A, 4), output(B, 5)])


def test_outputs_are_grouped_by_place_in_their_order() -> None:
    assert keys(five()) == {A: [b"1", b"3", b"4"], B: [b"2", b"5"]}


def test_acknowledged_outputs_are_forgotten() -> None:
    kept = five()
    assert forget(kept, [Batch(A, 2, 0, acked=True), Batch(B, 2, 0, acked=True), Batch(A, 1, 0)]) == 4
    assert keys(kept) == {A: [b"4"]}


def test_what_was_acknowledged_behind_a_lost_batch_is_kept_with_it() -> None:
    kept = five()
    assert forget(kept, [Batch(A, 1, 0, acked=True), Batch(A, 1, 0), Batch(B, 2, 0, acked=True), Batch(A, 1, 0, acked=True)]) == 3
    assert keys(kept) == {A: [b"3", b"4"]}


async def test_a_round_is_over_when_it_is_sealed_and_all_is_acknowledged() -> None:
    round_, answer = Round(), asyncio.Future[object]()
    round_.add(Batch(A, 1, 0), answer)
    answer.set_result(None)
    await asyncio.wait([round_.over], timeout=0)
    assert not round_.over.done()
    round_.seal()
    assert round_.over.done()
    assert [batch.acked for batch in round_.batches] == [True]


async def test_a_round_is_over_with_its_first_failure_and_names_the_batch() -> None:
    round_, first, second = Round(), asyncio.Future[object](), asyncio.Future[object]()
    round_.add(Batch(A, 1, 0), first)
    round_.add(Batch(B, 1, 0), second)
    round_.seal()
    second.set_exception(kafka.RequestTimedOutError())
    first.set_exception(kafka.KafkaConnectionError())
    with pytest.raises(kafka.RequestTimedOutError):
        await round_.over
    assert round_.failed == Batch(B, 1, 0)


async def test_a_round_whose_producer_is_given_up_is_over() -> None:
    round_ = Round()
    round_.add(Batch(A, 1, 0), asyncio.Future[object]())
    round_.seal()
    round_.give_up()
    with pytest.raises(kafka.ProducerClosed):
        await round_.over


async def test_a_round_that_failed_unheard_makes_no_noise_when_it_ends() -> None:
    loop, noise = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: noise.append(context))
    round_ = Round()
    round_.give_up()
    round_.end()
    del round_
    assert noise == []
