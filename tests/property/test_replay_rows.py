"""Whatever a file holds: every row is an event or an error that names its place, and rows keep what they said."""

import csv
import io
import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from streams.core.envelope import rfc3339
from streams.errors import ConfigError
from streams.replay.mapping import AmountColumns, Mapping, TimeColumn
from streams.replay.sources import read

TABLE = Mapping(
    user="user",
    time=TimeColumn(column="at", unit="ms"),
    event="event",
    amount=AmountColumns(columns=("price",)),
    properties={"note": "note"},
)
COLUMNS = ("user", "at", "event", "price", "note")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
ROW = st.tuples(TEXT, st.integers(0, 4_102_444_799_999), TEXT, st.decimals(-(10**6), 10**6, places=2), TEXT)


def kept(content: bytes, name: str) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_bytes(content)
    return path


@given(st.lists(ROW, max_size=8))
def test_csv_rows_keep_what_they_said(rows: list[tuple[str, int, str, object, str]]) -> None:
    """Commas, quotes and line breaks inside of values change nothing."""
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    path = kept(text.getvalue().encode(), "table.csv")
    emissions = list(read(path, TABLE))
    path.unlink()
    assert [(emission.key.decode(), emission.at_ms) for emission in emissions] == [(user, at_ms) for user, at_ms, *_ in rows]
    for number, (emission, (user, at_ms, event, price, note)) in enumerate(zip(emissions, rows, strict=True), 1):
        assert json.loads(emission.value) == {
            "type": "track",
            "event": event,
            "userId": user,
            "messageId": f"table:{number}",
            "timestamp": rfc3339(at_ms),
            "properties": {"note": note, "revenue": float(str(price))},
        }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*COLUMNS, "userId", "timestamp", "context"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40), max_size=6), st.sampled_from([None, TABLE]))
def test_any_line_is_an_event_or_an_error_with_its_place(lines: list[bytes], mapping: Mapping | None) -> None:
    """Nothing else is raised; with somebody to tell, events and errors together are the lines."""
    path = kept(b"\n".join(lines), "lines.jsonl")
    told: list[ConfigError] = []
    try:
        emissions = list(read(path, mapping, told.append))
    except ConfigError as error:  # what is no JSON object at all ends the file
        told.append(error)
    else:
        filled = [line for line in path.read_bytes().split(b"\n") if line.strip()]
        assert len(emissions) + len(told) == len(filled)
    path.unlink()
    assert all(error.file == str(path) and error.path.startswith("line ") for error in told)
