"""Whoever asks for an id is told of the user whom it was merged into, however many names lead there."""

import msgspec
import pytest
from redis import asyncio as aioredis

from streams.core.moved import Moved
from streams.core.rules import DAY_MS
from streams.serve.users import Profile, Profiles
from streams.shell.heads import Keys
from tests.stack import Redis
from tests.unit.test_aliasing import Town
from tests.unit.test_merging import DAY0, RULES, Shop

pytestmark = pytest.mark.services


async def told_of(shop: Shop, redis: Redis, app_id: str, *keys: str) -> dict[str, Profile]:
    """What is told to those who ask for `keys`, once the rows of the shop lie in the store."""
    client = aioredis.from_url(redis.url)
    try:
        for partition, rows in enumerate(shop.rows):
            for key, row in rows.items():
                await client.hset(Keys.of(app_id, partition).users, key, row)
        profiles = Profiles(msgspec.structs.replace(RULES, app_id=app_id), client)
        found = await profiles.find(keys, DAY0 + 4 * DAY_MS)
        return {asked: profiles.tell(each) for asked, each in found.items()}
    finally:
        await client.aclose()


async def test_a_merged_id_leads_to_its_user(redis: Redis) -> None:
    shop = Shop()
    shop.views(0, anonymousId="a1")
    shop.logs_in(1)
    told = await told_of(shop, redis, "ids-lead-on", "anon:a1", "ann", "nobody")
    assert {asked: each.user_id for asked, each in told.items()} == {"anon:a1": "ann", "ann": "ann"}
    assert (told["anon:a1"].ids.asked, told["anon:a1"].ids.merged[:10]) == ("anon:a1", "2026-02-17")
    assert (told["ann"].ids.taken_in, told["ann"].ids.asked) == (1, "")


async def test_a_given_up_name_leads_on(redis: Redis) -> None:
    """All that was bob's is ann's since the day on which bob was said to be ann. Names that lead in a circle, while their state is on the
    way, lead to nobody."""
    town = Town()
    town.views(0, anonymousId="d")
    town.logs_in(1, "bob", "d")
    town.is_also(3, "ann", "bob")
    for user, other in (("cid", "dan"), ("dan", "cid")):
        town.rows[town.home(user)][user] = Moved(other, DAY0, DAY0).encode()
    told = await told_of(town, redis, "names-lead-on", "anon:d", "bob", "ann", "cid")
    assert {asked: each.user_id for asked, each in told.items()} == {"anon:d": "ann", "bob": "ann", "ann": "ann"}
    assert {each.ids.merged[:10] for asked, each in told.items() if asked != "ann"} == {"2026-02-19"}
    assert told["anon:d"].ids.taken_in == 2
