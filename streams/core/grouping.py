"""What a `group` event says: which account its user belongs to, and as what."""

from typing import Final

import msgspec

from streams.core.identity import Identities
from streams.core.membership import ACCOUNT_ID_MAX
from streams.core.payload import plain
from streams.core.properties import Grouped
from streams.core.record import Rejected
from streams.core.rules import Rules
from streams.core.values import text_of

__all__ = ["Groups"]


class _Call(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    group_id: msgspec.Raw = msgspec.Raw()
    traits: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(_Call).decode
_traits: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_AT: Final = "$.groupId"


class Groups:
    """Reads `group` events by `rules`."""

    def __init__(self, rules: Rules) -> None:
        self._accounts, self._identities = rules.accounts, Identities(rules.limits)

    def of(self, value: bytes) -> Grouped | Rejected | None:
        """What a `group` event, parsed before, says; None where it names no account. An id that may not name a user may not name an account
        either, nor may one of more than 64 bytes; an odd trait is as good as none."""
        call = _decode(value)
        ident = plain(call.group_id)
        if ident is None:
            return None if bytes(call.group_id) in (b"", b"null") else Rejected("wrong_type", _AT)
        if isinstance(ident, float):
            return Rejected("wrong_type", _AT)
        account = str(ident)
        reason = self._identities.refusal(account) or ("limit" if len(account.encode()) > ACCOUNT_ID_MAX else "")
        if reason:
            return Rejected(reason, _AT)
        traits = self._traits(bytes(call.traits))
        role = next((said for name in self._accounts.role if (said := text_of(plain(traits.get(name))))), None)
        weight = self._accounts.weight(role) if role else 0
        return Grouped(account, weight, text_of(plain(traits.get("name"))) or "")

    def _traits(self, text: bytes) -> dict[str, msgspec.Raw]:
        try:
            return _traits(text) if text[:1] == b"{" else {}
        except (msgspec.DecodeError, RecursionError):
            return {}
