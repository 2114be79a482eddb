"""What a step does to the accounts of its partition: members' errands come in, days end, records and alerts leave.

- An **errand** changes the account at once. What an account tells of itself is said once a step, as of its newest event, if it is
  meaningful as a score is (docs/wire.md).
- A **day** is judged when it is over for every partition that has told something (`core/horizon.py`): the account waits in the queue of due
  times, and is looked at again a little later while somebody is behind.

Who is judged by days alone is judged alike whatever came in one step.
"""

from collections.abc import Mapping
from typing import Final

from streams.core.account import ROW, Account, Act, Said, Verdict, decode_account, encode_account, row_of
from streams.core.account_record import account_output, account_record, account_words, band_of, forgotten_output
from streams.core.parameters import Parameters
from streams.core.record import NEVER_MS, Coordinates, Outgoing, Plan
from streams.core.rules import DAY_MS, Rules
from streams.core.sitealert import operator_alert

__all__ = ["AccountDesk"]

#: A day is over here, and not yet for somebody who has members: so much later it is looked at again.
_AGAIN_MS: Final = 600_000


class AccountDesk:
    """The accounts of one partition during one step. `users`, `due` and `outputs` are the step's own: they are added to."""

    def __init__(
        self,
        rules: Rules,
        parameters: Parameters,
        plan: Plan,
        partition: int,
        loaded: Mapping[str, bytes | None],
        users: dict[str, bytes | None],
        due: dict[str, int | None],
        outputs: list[Outgoing],
    ) -> None:
        self._rules, self._parameters, self._plan, self._partition = rules, parameters, plan, partition
        self._loaded, self._users, self._due, self._outputs = loaded, users, due, outputs
        self._here: dict[str, Account] = {}
        self._told: dict[str, None] = {}

    def take(self, act: Act, at: Coordinates) -> None:
        """An account knows what one of its members tells, in the record at `at`."""
        account = self._account(act.account)
        account.tell(act, self._rules)
        account.last = str(at)
        self._told[act.account] = None

    def wake(self, row: str, over: int) -> None:
        """Looks at an account whose entry in the queue of due times has come. over: the last day that is over for all who tell."""
        ident = row.removeprefix(ROW)
        if ident not in self._here and self._loaded.get(row) is None:
            self._due.setdefault(row, None)
            return
        account = self._account(ident)
        account.entry_ms = NEVER_MS
        self._due[row] = None  # the entry is being used up
        day_ms = 0
        while account.due_ms(self._rules) <= self._plan.timers_ms:
            if not account.judgeable():
                if account.due_ms(self._rules) // DAY_MS <= over:
                    self._forget(ident, account)
                break
            if account.judged_day >= over:
                break
            verdict = account.judge(self._rules)
            day_ms = (account.judged_day + 1) * DAY_MS
            if verdict is not None:
                self._alert(ident, verdict)
        if day_ms and ident in self._here:
            self._say(ident, account, day_ms)

    def close(self) -> None:
        """What has changed is in the outcome: states, entries, records."""
        for ident, account in self._here.items():
            if ident in self._told:
                self._say(ident, account, None)
            row, due_ms = row_of(ident), account.due_ms(self._rules)
            if due_ms <= self._plan.timers_ms:
                due_ms = self._plan.timers_ms + _AGAIN_MS
            if due_ms < account.entry_ms:
                self._due[row] = account.entry_ms = due_ms
            self._users[row] = encode_account(account)

    def _account(self, ident: str) -> Account:
        account = self._here.get(ident)
        if account is None:
            blob = self._loaded.get(row_of(ident))
            account = self._here[ident] = Account() if blob is None else decode_account(blob)
        return account

    def _say(self, ident: str, account: Account, day_ms: int | None) -> None:
        """The account leaves if it has moved, is in another band, drops or no longer does, or members have said nothing for long. `day_ms`:
        the end of the day that it is told because of."""
        emit, as_of_ms = self._rules.emit, account.newest_ms if day_ms is None else max(account.newest_ms, day_ms)
        rolled = account.rolled(as_of_ms, self._rules, self._parameters.a_ref)
        said = Said(rolled.score, band_of(rolled.score, self._rules), account.firing, as_of_ms)
        if not said.differs(account.said, emit) and (day_ms is not None or emit.mode == "meaningful"):
            return
        record = account_record(account, ident, rolled, self._rules, day_ms=day_ms, as_of_ms=as_of_ms, rev=self._plan.rev)
        self._outputs.append(account_output(record, self._rules, self._partition, as_of_ms))
        account.said = said

    def _alert(self, ident: str, verdict: Verdict) -> None:
        words = account_words(ident, verdict, self._rules)
        output = operator_alert(words, self._rules, now_ms=self._plan.now_ms, rev=self._plan.rev)
        self._outputs.append(output._replace(partition=self._partition))

    def _forget(self, ident: str, account: Account) -> None:
        """The account is gone, with a tombstone on the compacted topic."""
        at_ms = max(account.due_ms(self._rules), self._plan.now_ms - DAY_MS)
        self._outputs.append(forgotten_output(ident, self._rules, self._partition, at_ms))
        self._users[row_of(ident)] = None
        self._told.pop(ident, None)
        del self._here[ident]
