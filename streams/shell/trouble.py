"""What somebody waits for, said once per change: `waiting for Redis: OOM ...`, and in the end `Redis is back`."""

import logging
import time

__all__ = ["Trouble"]


class Trouble:
    """Who waits for a service, and for what. Several may wait at once; the trouble is over when nobody does."""

    def __init__(self, service: str, log: logging.Logger) -> None:
        self._service, self._log = service, log
        self._waiting: dict[object, str] = {}
        self._said = ""
        self._waited_s, self._since_s = 0.0, 0.0

    @property
    def reason(self) -> str | None:
        """What is waited for right now, in the words of the log: `waiting for Redis: OOM ...`; None when nobody has to wait."""
        return next((self._words(reason) for reason in self._waiting.values()), None)

    @property
    def waited_s(self) -> float:
        """How long somebody has waited since the start, all in all."""
        return self._waited_s + (time.monotonic() - self._since_s if self._waiting else 0.0)

    def wait(self, who: object, reason: str) -> None:
        """`who` has to wait. Logged when the first word of the reason is another than before: one line per change, not per attempt."""
        if not self._waiting:
            self._since_s = time.monotonic()
        kind = reason.partition(" ")[0]
        if kind != self._said:
            self._log.warning("%s", self._words(reason))
        self._said, self._waiting[who] = kind, reason

    def over(self, who: object, *, served: bool = True) -> None:
        """`who` waits no longer: it was served, or it has given up."""
        if self._waiting.pop(who, None) is not None and not self._waiting:
            self._said = ""
            self._waited_s += time.monotonic() - self._since_s
            if served:
                self._log.warning("%s is back", self._service)

    def _words(self, reason: str) -> str:
        return f"waiting for {self._service}: {reason}"
