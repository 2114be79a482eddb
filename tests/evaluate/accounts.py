"""What the drop alert of accounts finds, and what it costs: `python -m tests.evaluate.accounts [ACCOUNTS]`.

Simulated firms: members whose rates differ (log-normal), busy weekdays, each away for one to two weeks four times a year, and spells of one
to four days three times a year in which hardly anybody comes. No real data set that may be kept here has accounts.
"""

import random
import sys
from statistics import median

from streams.core.account import Account, Act, Standing
from streams.core.rules import Rules
from tests.histories import DAY_ZERO, at, make_rules

__all__ = ["main"]

#: (members, visits of one a day)
FIRMS = ((3, 0.15), (5, 0.3), (10, 0.1), (30, 0.3))
FALLS = (0.5, 0.25, 0.0)
YEAR, FALL_DAY, LOOK_DAYS = 455, 240, 50
_WEEK = (1.25, 1.25, 1.25, 1.25, 1.25, 0.3, 0.3)


def fires(members: int, rate: float, seed: int, rules: Rules, *, days: int, fall: float = 1.0) -> list[int]:
    """The days on which the account begins to drop. From `FALL_DAY` on visits are `fall` of what they were."""
    chance, account, found = random.Random(seed), Account(), list[int]()
    rates = [rate * chance.lognormvariate(0, 0.6) for _ in range(members)]
    away, spell = [0] * members, 0
    for day in range(days):
        share = fall if day >= FALL_DAY else 1.0
        spell = chance.randint(1, 4) if chance.random() < 1 / 120 else spell - 1
        for number in range(members):
            if away[number] > 0:
                away[number] -= 1
            elif chance.random() < 1 / 90:
                away[number] = chance.randint(5, 16)
            elif chance.random() < min(0.95, rates[number] * _WEEK[day % 7] * (0.2 if spell > 0 else 1.0)) * share:
                standing = Standing(1, 5.0, DAY_ZERO + day)
                account.tell(Act("firm", f"u{number}", at(day), "visit", standing, standing, DAY_ZERO + day), rules)
        while 0 <= account.judged_day < DAY_ZERO + day:
            verdict = account.judge(rules)
            if verdict is not None and verdict.status == "firing":
                found.append(day)
    return found


def main(accounts: int) -> None:
    """One line `bench NAME VALUE UNIT` for each figure."""
    rules = make_rules()
    for members, rate in FIRMS:
        name = f"account_{members}x{rate:g}"
        false = sum(len(fires(members, rate, seed, rules, days=YEAR)) for seed in range(accounts))
        print(f"bench {name}_false_per_year {false / accounts / ((YEAR - 55) / 365):.2f} alerts", flush=True)
        for fall in FALLS:
            delays = []
            for seed in range(accounts):
                after = [day - FALL_DAY for day in fires(members, rate, 1000 + seed, rules, days=FALL_DAY + LOOK_DAYS, fall=fall)]
                delays += [day for day in after if day >= 0][:1]
            print(f"bench {name}_to_{round(100 * fall)}_found {100 * len(delays) / accounts:.0f} %", flush=True)
            if delays:
                print(f"bench {name}_to_{round(100 * fall)}_delay {median(delays):.0f} days", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
