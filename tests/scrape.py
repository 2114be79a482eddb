"""Reads `/metrics` as Prometheus does, and answers what tests ask of it."""

import asyncio
import socket
import urllib.error
import urllib.request
from contextlib import closing
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Scrape", "free_port", "get"]


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples: list[Any] = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    @property
    def names(self) -> frozenset[str]:
        """Names of all samples (`..._bucket`, `..._total`, ...)."""
        return frozenset(sample.name for sample in self._samples)

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name whose labels include `labels`."""
        return float(sum(it.value for it in self._samples if it.name == name and labels.items() <= it.labels.items()))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Label -> value."""
        return {it.labels[label]: it.value for it in self._samples if it.name == name}

    def highest(self, name: str) -> float:
        """The largest sample of that name; 0 when there is none."""
        return max((float(it.value) for it in self._samples if it.name == name), default=0.0)

    def quantile(self, name: str, q: float, since: "Scrape | None" = None) -> float:
        """The `q` quantile of a histogram, as Prometheus estimates it: on a line within its bucket. Only what came after `since`."""
        earlier = {} if since is None else since.by(f"{name}_bucket", "le")
        counts = sorted((float(le), n - earlier.get(le, 0.0)) for le, n in self.by(f"{name}_bucket", "le").items())
        rank, low, below = q * counts[-1][1], 0.0, 0.0
        for bound, n in counts:
            if n >= rank:
                return low if bound == float("inf") else low + (bound - low) * (rank - below) / max(n - below, 1e-9)
            low, below = bound, n
        raise AssertionError(f"{name} holds nothing")


async def get(url: str, timeout_s: float = 5.0) -> tuple[int, str]:
    """Status and body. OSError when nobody answers."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    return await asyncio.to_thread(ask)


def free_port() -> int:
    """A port that was free a moment ago."""
    with closing(socket.socket()) as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
