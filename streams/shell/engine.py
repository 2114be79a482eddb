"""The Faust app: every setting in one place, with the reason why it is not Faust's own."""

from collections.abc import Sequence
from typing import Any, cast

import faust
from faust.stores import STORES
from faust.transport.drivers import TRANSPORTS
from faust.types.auth import CredentialsT
from yarl import URL

from streams.shell.batches import BatchSchema, Fetch, FetchScheduler
from streams.shell.fetching import FetchSettings
from streams.shell.table import Tables, UserTable
from streams.shell.transport import Consumer, Lanes

__all__ = ["StreamsApp", "new_app"]

# The wheel's entry points say the same; a source tree that nobody installed has none.
TRANSPORTS.aliases["kafka-batches"] = "streams.shell.transport:Transport"
STORES.aliases.update(dict.fromkeys(("redis", "rediss", "unix"), "streams.shell.table:RedisStore"))


#: Ten years.
_FOR_EVER_S = 10 * 366 * 86_400.0


class StreamsApp(faust.App):
    """A Faust app whose agent hands batches to lanes. It keeps nothing on disk."""

    def __init__(self, app_id: str, *, inputs: Sequence[str], lanes: Lanes, fetch: FetchSettings, **options: Any) -> None:
        self.inputs, self.lanes, self.fetch = tuple(inputs), lanes, fetch
        super().__init__(app_id, **options)

    @property
    def feed(self) -> Consumer | None:
        """The consumer, as the type that the transport of our broker URL makes; None before the start."""
        return cast(Consumer | None, self._consumer)

    async def on_stop(self) -> None:
        """Lanes end first: they still need the table's store, which Faust stops before the consumer."""
        if self.feed is not None:
            await self.feed.close_lanes()
        await super().on_stop()

    def _create_directories(self) -> None:
        pass


def new_app(
    app_id: str,
    *,
    broker: str,
    store: str,
    inputs: Sequence[str],
    lanes: Lanes,
    fetch: FetchSettings | None = None,
    instance: str | None = None,
    session_s: float = 45.0,
    credentials: CredentialsT | None = None,
    commit_interval_s: float = 2.0,
    **options: Any,
) -> StreamsApp:
    """An app that reads `inputs` in batches for `lanes`.

    broker    host:port, several with commas
    store     URL of Redis
    instance  name of this worker that outlives a restart: with it a restart within `session_s` moves no partition
    """
    fetch = fetch or FetchSettings()
    app = StreamsApp(
        app_id,
        inputs=inputs,
        lanes=lanes,
        fetch=fetch,
        broker=[URL(f"kafka-batches://{address.strip()}") for address in broker.split(",")],
        broker_credentials=credentials,
        store=store,
        # One event is one fetch; see `batches`.
        ConsumerScheduler=FetchScheduler,
        Table=UserTable,
        TableManager=Tables,
        # Fetches, not events, and bounded in bytes by each source: a queue that fills up would block all partitions.
        stream_buffer_maxsize=4096,
        # Lanes are waited for by us, with a deadline; Faust would wait for ever for an event that its agent never got to.
        stream_wait_empty=False,
        # A lane always says where to read. Jumping elsewhere in silence is never right.
        consumer_auto_offset_reset="none",
        # Nobody polls: records are read elsewhere (`fetching`), and whether lanes get on is watched by `stalled`.
        broker_max_poll_interval=_FOR_EVER_S,
        consumer_group_instance_id=instance,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(3.0, session_s / 4),
        broker_request_timeout=max(60.0, session_s + 5),
        broker_commit_interval=commit_interval_s,
        broker_commit_every=1 << 30,
        # Nothing is created behind the operator's back, no leader topic, no open port, no rebalance for standbys that nobody needs.
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        # Not 0: then Faust would deal partitions out by aiokafka's round robin, which tears the topics of one partition number apart.
        table_standby_replicas=1,
        **options,
    )

    async def engage(fetches: faust.StreamT[Fetch]) -> None:
        feed = cast(Consumer, app.consumer)
        async for fetch in fetches:
            feed.offer(fetch)

    app.agent(app.topic(*inputs, schema=BatchSchema()), name="engage")(engage)
    return app
