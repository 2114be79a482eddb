"""A scenario in which accounts are told by members on all partitions, while the worker dies."""

import random

from streams.core.account import decode_account, row_of
from tests.accounts import Recount, known, said, told
from tests.chaos.crashes import now_ms, through_deaths
from tests.chaos.ground import Ground
from tests.feed import EVENT_CLOCK, Sent

__all__ = ["members_told"]

DAY_MS = 86_400_000
#: Between what is told and what is saved: where an errand could be lost or done twice.
POINTS = ("mid_publish", "after_publish", "mid_save")


async def members_told(ground: Ground, *, times: int = 1, users: int = 24, days: int = 12, seed: int = 24) -> str:
    """24, accounts. The worker dies where errands could be lost or doubled; in the end every account is a recount of its members."""
    chance = random.Random(seed)
    async with ground.stage("accounts") as stage:
        rules, recount, records = stage.rules, Recount(stage.rules), list[Sent]()
        start_ms, firms = now_ms() // DAY_MS * DAY_MS - (days + 1) * DAY_MS, [f"firm-{number}" for number in range(5)]
        for minute in sorted(chance.sample(range(days * 1440), users * days)):
            user, at_ms = f"u{chance.randrange(users)}", start_ms + minute * 60_000
            group = chance.choice(firms) if chance.random() < 0.15 else ""
            shift = int(user[1:]) % 3 == 0  # all that these do lies on the wrong partition
            records.append(said(user, at_ms, rules, group=group, shift=shift)._replace(headers=(EVENT_CLOCK,)))
            recount.add(user, at_ms, group)
        points = POINTS[:1] if times == 1 else POINTS * times
        await through_deaths(stage, stage.worker(), points, records, chance)
        await stage.caught_up()
        await stage.stop()
        run = await stage.result()
        rows = {key: row for mine in run.rows.values() for key, row in mine.items()}
        knows, visits = known(rows, rules), 0
        assert knows == told(rows, rules)
        for ident in firms:
            assert {user: weight for user, (weight, _, _) in knows.get(ident, {}).items()} == recount.members(ident), ident
            days_of = decode_account(rows[row_of(ident)]).visits
            assert {days_of.day - back: n for back, n in enumerate(days_of.sums) if n} == recount.days(ident), ident
            visits += sum(days_of.sums)
        for head in run.heads.values():
            assert sum(head.fates.values()) == sum(head.positions.values())
        return f"{len(points)} of {len(points)} deaths; {len(firms)} accounts, {visits} visits, all of them known"
