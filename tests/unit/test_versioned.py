"""How values lie in the store, and which bytes are refused."""

import msgspec
import pytest

from streams.core.churnmodel import ChurnModel, start
from streams.core.sitedrop import Series
from streams.core.versioned import Versioned
from streams.errors import StreamsError, UnknownStateVersion

MODELS = Versioned(ChurnModel, 1, "a model")
SERIES = Versioned(Series, 1, "a series")


def test_a_value_comes_back_as_it_was() -> None:
    assert MODELS.decode(MODELS.encode(start(30.0))) == start(30.0)
    assert SERIES.decode(SERIES.encode(Series())) == Series()
    assert MODELS.encode(start(30.0))[0] == 1


def test_a_value_of_a_later_release_is_refused() -> None:
    with pytest.raises(UnknownStateVersion, match="a model: stored in version 2, this release reads up to version 1"):
        MODELS.decode(b"\x02" + MODELS.encode(start(30.0))[1:])


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01\x90", b"\x01" + msgspec.msgpack.encode([30.0, 0, 0, 1.0, 0.0, [0.0] * 9])])
def test_a_damaged_model_is_refused(blob: bytes) -> None:
    """Empty, cut off, or with a weight too few."""
    with pytest.raises(StreamsError, match="damaged"):
        MODELS.decode(blob)


@pytest.mark.parametrize("series", [Series(slots=()), Series(recent=())])
def test_a_series_without_a_week_or_a_day_is_refused(series: Series) -> None:
    with pytest.raises(StreamsError, match="damaged"):
        SERIES.decode(SERIES.encode(series))
