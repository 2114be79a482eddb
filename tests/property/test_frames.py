"""Requests and answers are to the byte what aiokafka makes of them."""

from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol import types
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest
from hypothesis import given
from hypothesis import strategies as st

from streams.shell.frames import QuickFetchRequest, QuickProduceRequest, quick

#: What aiokafka may agree on with a broker.
REQUESTS: list[type[RequestStruct]] = [*FetchRequest._CLASSES, *ProduceRequest._CLASSES]  # type: ignore[misc]
BITS = {types.Int8: 7, types.Int16: 15, types.Int32: 31, types.Int64: 63}


def values(field: Any) -> st.SearchStrategy[Any]:
    """Whatever may stand in a field."""
    if isinstance(field, types.Schema):
        return st.tuples(*map(values, field.fields))
    if isinstance(field, types.Array):
        return st.none() | st.lists(values(field.array_of), max_size=3)
    if isinstance(field, types.String):
        return st.none() | st.text(max_size=20)
    if field is types.Bytes:
        return st.none() | st.binary(max_size=40)
    return st.integers(-(2 ** BITS[field]), 2 ** BITS[field] - 1)


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda it: it.__name__)
@given(data=st.data())
def test_a_request_is_the_one_that_aiokafka_makes(request_type: type[RequestStruct], data: st.DataObject) -> None:
    said = data.draw(values(request_type.SCHEMA))
    assert quick(request_type)(*said).encode() == request_type(*said).encode()


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda it: it.__name__)
@given(data=st.data())
def test_an_answer_is_read_as_aiokafka_reads_it(request_type: type[RequestStruct], data: st.DataObject) -> None:
    answer = request_type.RESPONSE_TYPE
    text = answer(*data.draw(values(answer.SCHEMA))).encode()
    ours = quick(request_type).RESPONSE_TYPE
    behind = BytesIO(b"head" + text)
    behind.read(4)
    theirs = answer.decode(text)
    assert ours.decode(text).__dict__ == theirs.__dict__ == ours.decode(behind).__dict__


@pytest.mark.parametrize(("ours", "theirs"), [(QuickFetchRequest, FetchRequest), (QuickProduceRequest, ProduceRequest)])
def test_the_same_version_is_agreed_on(ours: Any, theirs: Any) -> None:
    said = {
        FetchRequest: (17, 1, 100, 0, [("t", [(0, 5, 1000)])]),
        ProduceRequest: (None, -1, 1000, [("t", [(0, bytearray(b"batch"))])]),
    }[theirs]
    for newest in range(3, 12):
        versions = {theirs.API_KEY: (0, newest)}
        mine, other = ours(*said).prepare(versions), theirs(*said).prepare(versions)
        assert (mine.API_VERSION, mine.encode()) == (other.API_VERSION, other.encode())
        assert isinstance(mine, type(other))


def test_an_answer_that_ends_too_early_is_an_error() -> None:
    text = BytesIO(b"\x00\x00\x00\x01\x00\x09half")
    with pytest.raises(ValueError, match="ends within a text"):
        quick(ProduceRequest._CLASSES[0]).RESPONSE_TYPE.decode(text)  # type: ignore[misc]
