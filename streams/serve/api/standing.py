"""`/v1/metrics/now`, `/v1/status`, `/health`, `/ready`, `/metrics`: how it goes, for people, balancers and Prometheus."""

from collections.abc import Callable

import msgspec
from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from streams.serve.api.typed import answers, json_response
from streams.serve.metrics import Metrics
from streams.serve.now import Now
from streams.serve.ready import Ready
from streams.stats import Stats

__all__ = ["Status", "router"]


class Status(Stats, frozen=True):
    """How the workers stand, and who says so. `rules_version` is that of this server; workers name theirs."""

    version: str
    rules_version: str


class Health(msgspec.Struct, frozen=True):
    """That the process answers."""

    healthy: bool
    version: str


def router(
    *,
    version: str,
    rules_version: str,
    now: Callable[[], Now],
    stats: Callable[[], Stats],
    ready: Callable[[], Ready],
    metrics: Metrics,
) -> APIRouter:
    api = APIRouter(tags=["standing"])

    @api.get("/v1/metrics/now", openapi_extra=answers(Now, "The figures of this moment."), response_class=Response)
    async def metrics_now() -> Response:
        """Events per second, active users, the score distribution, alerts, movers, latency, fates."""
        return json_response(now())

    @api.get("/v1/status", openapi_extra=answers(Status, "How the workers stand."), response_class=Response)
    async def status() -> Response:
        """Every partition with its fates and their sum, lag, workers, and what keeps things from going on."""
        return json_response(Status(**msgspec.structs.asdict(stats()), version=version, rules_version=rules_version))

    @api.get("/health", openapi_extra=answers(Health, "It answers."), response_class=Response)
    async def health() -> Response:
        """Whether this process is alive. Says nothing of Kafka or Redis, whose absence a restart would not mend."""
        return json_response(Health(True, version))

    @api.get("/ready", openapi_extra=answers(Ready, "It is up to date.", 503), response_class=Response)
    async def is_ready() -> Response:
        """Whether what is served is up to date: the past is read, Kafka and Redis answer. 503 when not, with the same body.

        `behind` says what the workers do not keep of what was promised; that alone leaves this server ready.
        """
        told = ready()
        answer = json_response(told)
        answer.status_code = 200 if told.ready else 503
        return answer

    @api.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """For Prometheus, in its text format."""
        return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return api
