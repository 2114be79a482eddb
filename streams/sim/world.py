"""The shop as a stream of events: a history up to an instant, and live traffic from then on by the same users. Same seed, same bytes."""

from collections.abc import Iterator, Mapping, Sequence

from streams.core.rules import Churn, Drop
from streams.sim.aim import Aimed
from streams.sim.config import WorldConfig, load_world
from streams.sim.emission import Emission
from streams.sim.history import History
from streams.sim.live import Live
from streams.sim.personas import Shopper
from streams.sim.town import Town

__all__ = ["World"]


class World:
    """`users` users of the shop that `config` describes (default: the world that ships with the package).

        world = World(seed=7, users=2000)
        for emission in world.history(days=90, until_ms=now_ms): ...
        for emission in world.live(start_ms=now_ms, rate=50): ...  # without end

    `churn` and `drop` are the rules that the silent users' alerts are aimed by: the worker's own, where they are not the defaults.
    `aim` holds what the last history prepared, in the order of the alerts (see `streams.sim.aim`).
    """

    def __init__(
        self, seed: int, users: int, config: WorldConfig | None = None, *, churn: Churn | None = None, drop: Drop | None = None
    ) -> None:
        self.config = config if config is not None else load_world()
        self.aim: Sequence[Aimed] = ()
        self._seed, self._count = seed, users
        self._churn, self._drop = churn or Churn(), drop or Drop()
        self._town = Town(seed, users, self.config)

    @property
    def users(self) -> Sequence[Shopper]:
        """Everybody."""
        return self._town.people

    @property
    def silent(self) -> Mapping[Shopper, Aimed]:
        """Who lives by the aims of the last history."""
        return self._town.silent

    def history(self, days: int, until_ms: int) -> Iterator[Emission]:
        """What happened in the `days` before `until_ms`, in the order of sending: about 130 events per user in 90 days.

        Read it to its end before `live`, which goes on from there. Calling it again begins anew.
        """
        self._town = Town(self._seed, self._count, self.config)
        self.aim = self._town.fall_silent(days, until_ms, self._churn, self._drop)
        return iter(History(self._town, days, until_ms))

    def live(self, start_ms: int, rate: float, *, seasonal: bool = False) -> Iterator[Emission]:
        """Traffic from `start_ms` on, without end: `rate` events a second, evenly spaced; `seasonal`: in the busiest hour, fewer at others.

        After a history, who was silent stays silent, except those who come back to have their alerts resolved.
        """
        return iter(Live(self._town, start_ms, rate, seasonal=seasonal))
