"""Every error that we raise, as one tree.

StreamsError                 exit 1   a bug, or anything without a better answer
├── ConfigError              exit 2   a file or flag is wrong: says which file and path
├── UnknownStateVersion      exit 2   Redis holds states that a newer release wrote
├── Unavailable              exit 3   Kafka or Redis cannot be reached (commands only: the worker waits)
├── MissingHistory           exit 4   the log no longer holds what the state needs
├── DeadRateExceeded         exit 1   a rule raises so often that the rule must be wrong
└── Interrupted              inside   signals between the lane and its store, never seen by a user
    ├── Fenced                        another owner, revision or plan is in the head: open again
    └── ReplyLost                     a write was sent and its answer never came: look at the head
"""

__all__ = [
    "ConfigError",
    "DeadRateExceeded",
    "Fenced",
    "Interrupted",
    "MissingHistory",
    "ReplyLost",
    "StreamsError",
    "Unavailable",
    "UnknownStateVersion",
]


class StreamsError(Exception):
    """The root of the tree; `exit_code` is what the process ends with when nobody catches it."""

    exit_code = 1


class ConfigError(StreamsError):
    """A configuration is wrong. `file` and `path` name the place ("scoring.yaml", "bands[2].from")."""

    exit_code = 2

    def __init__(self, message: str, *, file: str = "", path: str = "") -> None:
        self.message, self.file, self.path = message, file, path
        place = ": ".join(part for part in (file, path) if part)
        super().__init__(f"{place}: {message}" if place else message)


class UnknownStateVersion(StreamsError):
    """A stored state has a version byte that this release cannot read; nothing was overwritten."""

    exit_code = 2


class Unavailable(StreamsError):
    """Kafka or Redis cannot be reached. Commands stop with this; a worker waits instead."""

    exit_code = 3


class MissingHistory(StreamsError):
    """The log no longer holds the records that the state needs (or the state claims records the log never had)."""

    exit_code = 4


class DeadRateExceeded(StreamsError):
    """More records per minute were rejected by a raising rule than `dead_rate_max` allows."""


class Interrupted(StreamsError):
    """A signal between a lane and its store."""


class Fenced(Interrupted):
    """The head in the store is not the one the lane started from: another owner, revision, position or plan."""


class ReplyLost(Interrupted):
    """The connection broke after a write was sent: it was done, will be done, or never arrived."""
