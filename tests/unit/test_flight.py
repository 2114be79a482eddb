"""What is kept until Kafka has it, and the batches that it leaves in."""

import asyncio

from streams.core.record import Output
from streams.shell.flight import Job, Kept, Queues, by_place

A, B = ("scores", 0), ("alerts", 0)
LIMIT = 1_000_000


def output(place: tuple[str, int], number: int) -> Output:
    return Output(*place, b"%d" % number, b"", [], 5)


def keys(kept: Kept) -> dict[tuple[str, int], list[bytes | None]]:
    return {place: [output.key for output in outputs] for place, outputs in kept.items()}


def job(*outputs: Output) -> Job:
    return Job(outputs, asyncio.get_running_loop().create_future())


def test_outputs_are_grouped_by_place_in_their_order() -> None:
    five = [output(A, 1), output(B, 2), output(A, 3), output(A, 4), output(B, 5)]
    assert keys(by_place(five)) == {A: [b"1", b"3", b"4"], B: [b"2", b"5"]}


async def test_a_job_is_done_when_all_of_its_batches_have_landed() -> None:
    queues, both = Queues(), job(output(A, 1), output(B, 2), output(A, 3))
    queues.add(both)
    assert queues.ready() == [A, B]
    assert (queues.take(A, LIMIT).count, queues.take(B, LIMIT).count) == (2, 1)
    assert queues.ready() == []
    assert queues.landed(A) == 2
    assert not both.done.done()
    assert queues.landed(B) == 1
    assert both.done.done()
    assert not queues


async def test_jobs_of_one_place_take_turns_in_their_order_and_each_has_batches_of_its_own() -> None:
    queues, first, second = Queues(), job(output(A, 1), output(A, 2)), job(output(A, 3))
    queues.add(first)
    queues.add(second)
    assert queues.take(A, 75).count == 1, "more does not fit"
    queues.landed(A)
    assert keys(first.kept) == {A: [b"2"]}
    assert queues.take(A, LIMIT).count == 1, "nothing of the second job"
    queues.landed(A)
    assert (first.done.done(), queues.first(A)) == (True, second)


async def test_places_that_were_served_come_last() -> None:
    queues = Queues()
    queues.add(job(output(A, 1), output(B, 2), output(A, 3), output(B, 4)))
    queues.take(A, 62)
    queues.landed(A)
    assert queues.ready() == [B, A]


async def test_what_was_not_acknowledged_leaves_again_as_it_was() -> None:
    queues, one = Queues(), job(output(A, 1))
    queues.add(one)
    batch = queues.take(A, LIMIT)
    assert queues.missed(A)
    assert queues.ready() == [A]
    assert queues.take(A, LIMIT) is batch
    assert not one.done.done()


async def test_a_batch_that_will_never_arrive_is_cut_anew() -> None:
    queues, one = Queues(), job(output(A, 1), output(A, 2))
    queues.add(one)
    batch = queues.take(A, LIMIT)
    assert queues.missed(A)
    assert queues.recut(A) is batch
    assert queues.take(A, 62).count == 1
    queues.recut_all()
    assert queues.ready() == [A]
    assert queues.take(A, LIMIT).count == 2, "nothing is lost"


async def test_who_gives_up_keeps_nothing_and_its_batch_may_still_arrive() -> None:
    queues, gone, other = Queues(), job(output(A, 1), output(A, 2)), job(output(A, 3))
    queues.add(gone)
    queues.add(other)
    queues.take(A, LIMIT)
    assert queues.leave(gone) == 2
    assert queues.ready() == [], "one batch of a place at a time"
    assert queues.landed(A) == 0
    assert queues.first(A) is other
    assert queues.ready() == [A]


async def test_a_batch_of_one_who_gave_up_cannot_be_sent_again() -> None:
    queues, gone = Queues(), job(output(A, 1))
    queues.add(gone)
    queues.take(A, LIMIT)
    queues.leave(gone)
    queues.add(job(output(A, 2)))
    assert not queues.missed(A), "its number in the sequence may be used up: only another producer helps"


async def test_everybody_who_waits_is_told_of_a_failure() -> None:
    queues, one, two = Queues(), job(output(A, 1), output(B, 1)), job(output(A, 2))
    queues.add(one)
    queues.add(two)
    error = RuntimeError("unforeseen")
    queues.fail(error)
    assert (one.done.exception(), two.done.exception()) == (error, error)
