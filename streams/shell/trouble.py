"""What somebody waits for, said once per change: `waiting for Redis: OOM ...`, and in the end `Redis is back`."""

import logging

__all__ = ["Trouble"]


class Trouble:
    """Who waits for a service, and for what. Several may wait at once; the trouble is over when nobody does."""

    def __init__(self, service: str, log: logging.Logger) -> None:
        self._service, self._log = service, log
        self._waiting: dict[object, str] = {}
        self._said = ""

    @property
    def reason(self) -> str | None:
        """What is waited for right now; None when nobody has to wait."""
        return next(iter(self._waiting.values()), None)

    def wait(self, who: object, reason: str) -> None:
        """`who` has to wait. Logged when the first word of the reason is another than before: one line per change, not per attempt."""
        kind = reason.partition(" ")[0]
        if kind != self._said:
            self._log.warning("waiting for %s: %s", self._service, reason)
        self._said, self._waiting[who] = kind, reason

    def over(self, who: object, *, served: bool = True) -> None:
        """`who` waits no longer: it was served, or it has given up."""
        if self._waiting.pop(who, None) is not None and not self._waiting:
            self._said = ""
            if served:
                self._log.warning("%s is back", self._service)
