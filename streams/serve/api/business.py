"""`/v1/metrics`: the business metrics, read from the sums in the store."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from fastapi import APIRouter
from redis.asyncio import Redis
from starlette.responses import Response

from streams.core.ledger import day_of, window_of
from streams.core.metric_record import MetricRecord, days_of, records_at
from streams.core.metrics import METRICS
from streams.core.rules import Rules
from streams.serve.api.typed import answers, json_response
from streams.serve.problems import Problem
from streams.shell.sums import SumsReader

__all__ = ["router"]

#: Others, and the stream, get their turn after so many figures.
_TURN: Final = 100


class Figures(msgspec.Struct, frozen=True):
    """The figures of one window.

    overflow   sums by name that found no room: where it is not 0, figures by campaign, survey, source and feature are not complete
    """

    window: str
    figures: Sequence[MetricRecord]
    overflow: int


class Definition(msgspec.Struct, frozen=True):
    """What a metric is. `windows` are those that it is told for, `by` the names that it is told by."""

    metric: str
    ids: str
    text: str
    unit: str
    version: int
    windows: Sequence[str]
    segments: bool
    by: str | None


class Definitions(msgspec.Struct, frozen=True):
    """Every metric, in the order in which they are shown."""

    definitions: Sequence[Definition]


def router(rules: Rules, redis: Redis) -> APIRouter:
    """Routes that read from `redis`, which answers with bytes."""
    api = APIRouter(tags=["metrics"])
    reader, alone = SumsReader(redis, rules.app_id, rules.partitions), asyncio.Lock()

    @api.get("/v1/metrics", openapi_extra=answers(Figures, "The figures.", 400, 503), response_class=Response)
    async def metrics(
        window: str = "7d", day: str | None = None, metric: str | None = None, segment: str | None = None, all_segments: bool = False
    ) -> Response:
        """The business metrics of a window (`hour`, `day`, `24h`, `7d`, `30d`, `month`) that ends now, or with `day` (2026-01-31).

        `segment`: a dimension (`country`) or one of its values (`country=DE`); without it the figures over all, with `all_segments` both.
        """
        if metric is not None and all(each.name != metric for each in METRICS):
            raise Problem(400, "there is no such metric: /v1/metrics/definitions lists them")
        # One at a time: the ledger is shared, and read again only where the store has changed.
        async with alone:
            moment = await reader.look()
            time_ms = max(0, moment.time_ms)
            try:
                asked = window_of(window, None if day is None else day_of(day), time_ms)
            except (ValueError, OverflowError) as wrong:
                raise Problem(400, str(wrong)) from None
            await reader.load(days_of([asked]))
            found: list[MetricRecord] = []
            wants_segments = segment is not None or all_segments
            for number, record in enumerate(
                records_at(
                    reader.ledger,
                    [asked],
                    rules.business,
                    time_ms=time_ms,
                    rev=moment.rev,
                    rules_version=rules.version,
                    segments=wants_segments,
                )
            ):
                if (metric is None or record.metric == metric) and (all_segments or _meets(record.segment, segment)):
                    found.append(record)
                if number % _TURN == 0:
                    await asyncio.sleep(0)
            days = days_of([asked]) if asked.hours else range(asked.first, asked.last + 1)
            return json_response(Figures(window, found, reader.ledger.overflow(days[0], days[-1])))

    @api.get("/v1/metrics/definitions", openapi_extra=answers(Definitions, "What each metric is."), response_class=Response)
    async def definitions() -> Response:
        """Every metric with its text, unit, version of its definition, and the windows that it is told for."""
        told = [Definition(it.name, it.ids, it.text, it.unit, it.version, it.windows, it.segments, it.by) for it in METRICS]
        return json_response(Definitions(told))

    return api


def _meets(have: str | None, wanted: str | None) -> bool:
    """`country` means all of them, `country=DE` that one, nothing what is over all."""
    if wanted is None or have is None:
        return have is wanted
    return have == wanted or have.partition("=")[0] == wanted
