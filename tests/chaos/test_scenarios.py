"""The scenarios in their short forms: real Kafka, real Redis, worker processes. `python -m tests.chaos` has the long ones."""

from pathlib import Path

import pytest

from tests.chaos import aliasing, crashes, firms, identity, inputs, life, outages
from tests.chaos.ground import Ground
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services


@pytest.fixture
def ground(kafka: Kafka, redis: Redis, tmp_path: Path) -> Ground:
    return Ground(kafka, redis, tmp_path)


async def test_4_a_worker_may_die_at_every_point_of_a_step(ground: Ground) -> None:
    print(await crashes.crash_points(ground))


async def test_7_a_worker_that_was_overtaken_while_it_slept_changes_nothing(ground: Ground) -> None:
    print(await crashes.zombie(ground))


async def test_8_a_broker_may_die_and_come_back(ground: Ground) -> None:
    print(await outages.broker_bounce(ground))


async def test_9_a_redis_that_forgot_its_last_second_is_computed_again(ground: Ground) -> None:
    print(await outages.redis_kills(ground))


async def test_11_without_state_and_without_history_the_worker_stops(ground: Ground) -> None:
    print(await outages.retention_passed(ground))


async def test_12_a_full_redis_is_waited_for(ground: Ground) -> None:
    print(await outages.redis_full(ground))


async def test_12_a_redis_that_would_lose_states_is_refused(ground: Ground) -> None:
    print(await outages.redis_refused(ground))


async def test_14_a_worker_that_is_asked_to_stop_says_nothing_twice(ground: Ground) -> None:
    print(await crashes.graceful_stop(ground))


async def test_15_poison_is_set_aside_for_its_reason_and_nothing_else_happens(ground: Ground) -> None:
    print(await inputs.poison(ground))


async def test_16_dead_letters_may_be_replayed_twice(ground: Ground) -> None:
    print(await inputs.letters_replayed(ground))


async def test_16_a_bad_deploy_stops_itself(ground: Ground) -> None:
    print(await inputs.bad_deploy(ground))


async def test_18_what_is_sent_twice_is_counted_once(ground: Ground) -> None:
    print(await inputs.duplicates(ground))


async def test_19_disorder_within_five_minutes_changes_no_counter(ground: Ground) -> None:
    print(await inputs.disorder(ground))


async def test_20_wrong_clocks_harm_nobody_else(ground: Ground) -> None:
    print(await inputs.wrong_clocks(ground))


async def test_23_every_silence_is_heard_once(ground: Ground) -> None:
    print(await life.silence(ground, users=300, kills=1))


async def test_24_whoever_logs_in_has_what_they_did_before(ground: Ground) -> None:
    print(await identity.identity(ground))


async def test_24_who_has_several_names_has_all_that_was_done_under_them(ground: Ground) -> None:
    print(await aliasing.aliasing(ground))


async def test_36_broken_configurations_are_refused_before_anything_is_read(ground: Ground) -> None:
    print(await life.configurations(ground))


async def test_24_accounts_know_their_members_whenever_a_worker_dies(ground: Ground) -> None:
    print(await firms.members_told(ground))
