"""Whoever asks for an anonymous id is told of the user whom it was merged into."""

import msgspec
import pytest
from redis import asyncio as aioredis

from streams.core.rules import DAY_MS
from streams.serve.users import Profiles
from streams.shell.heads import Keys
from tests.stack import Redis
from tests.unit.test_merging import DAY0, RULES, Shop

pytestmark = pytest.mark.services


async def test_a_merged_id_leads_to_its_user(redis: Redis) -> None:
    shop = Shop()
    shop.views(0, anonymousId="a1")
    shop.logs_in(1)
    client = aioredis.from_url(redis.url)
    app_id = "ids-lead-on"
    rules = msgspec.structs.replace(RULES, app_id=app_id)
    try:
        for partition, rows in enumerate(shop.rows):
            for key, row in rows.items():
                await client.hset(Keys.of(app_id, partition).users, key, row)
        profiles = Profiles(rules, client)
        found = await profiles.find(["anon:a1", "ann", "nobody"], DAY0 + 2 * DAY_MS)
        told = {asked: profiles.tell(each) for asked, each in found.items()}
    finally:
        await client.aclose()
    assert {asked: each.user_id for asked, each in told.items()} == {"anon:a1": "ann", "ann": "ann"}
    assert (told["anon:a1"].ids.asked, told["anon:a1"].ids.merged[:10]) == ("anon:a1", "2026-02-17")
    assert (told["ann"].ids.taken_in, told["ann"].ids.asked) == (1, "")
