"""Files become events: what each column means is said by a mapping, and what is wrong is said with file, line and column."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.core.event import Decoder
from streams.core.record import Event
from streams.errors import ConfigError
from streams.replay.mapping import Mapping, load_mapping
from streams.replay.sources import read
from streams.settings import load
from streams.sim.emission import Emission
from tests.unit.records import CLICKS, FakeRecord

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "examples"
NOON = "2026-01-31T12:00:00Z"
NOON_MS = 1_769_860_800_000

CSV = """\
who,when,what,price,pieces
7,2026-01-31 12:00:00+00:00,bought,2.50,3
8,2026-01-31T13:00:00+01:00,looked,,
"""
SHOP = """\
user: who
time: when
event: what
events: {bought: Order Completed}
amount: {columns: [price, pieces]}
"""


def mapping(tmp_path: Path, text: str) -> Mapping:
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    return load_mapping(tmp_path / "map.yaml")


def file(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def said(emissions: Sequence[Emission]) -> list[dict[str, Any]]:
    return [json.loads(emission.value) for emission in emissions]


def fault(path: Path, how: Mapping | None = None) -> str:
    """What is said of a file, without the folder it lies in."""
    with pytest.raises(ConfigError) as caught:
        list(read(path, how))
    return str(caught.value).replace(f"{path.parent}/", "")


def test_csv_by_a_mapping(tmp_path: Path) -> None:
    """Each row is an event: names are mapped, amounts multiplied, the id is made of file and row."""
    emissions = list(read(file(tmp_path, "shop.csv", CSV), mapping(tmp_path, SHOP)))
    assert [(e.at_ms, e.topic, e.key) for e in emissions] == [(NOON_MS, "clickstream", b"7"), (NOON_MS, "clickstream", b"8")]
    assert said(emissions) == [
        {
            "type": "track",
            "event": "Order Completed",
            "userId": "7",
            "messageId": "shop:1",
            "timestamp": "2026-01-31T12:00:00.000Z",
            "properties": {"revenue": 7.5},
        },
        {"type": "track", "event": "looked", "userId": "8", "messageId": "shop:2", "timestamp": "2026-01-31T12:00:00.000Z"},
    ]


def test_what_is_read_decodes(tmp_path: Path) -> None:
    """The core reads the events as they were meant: type, time and amount."""
    decoder = Decoder(load(None, {}).rules)
    emission = next(iter(read(file(tmp_path, "shop.csv", CSV), mapping(tmp_path, SHOP))))
    event = decoder.decode_one(FakeRecord(CLICKS, 0, 0, NOON_MS, emission.key, emission.value))
    assert isinstance(event, Event)
    assert (event.user, event.type_id, event.at_ms, event.amount) == ("7", 39, NOON_MS, 750)


def test_the_same_file_gives_the_same_ids(tmp_path: Path) -> None:
    """Read twice, also packed, every row has the id it had before; another file has others; the mapping may name the source."""
    how = mapping(tmp_path, SHOP)
    plain = list(read(file(tmp_path, "shop.csv", CSV), how))
    assert plain == list(read(file(tmp_path, "shop.csv.gz", gzip.compress(CSV.encode())), how))
    other = said(list(read(file(tmp_path, "more.csv", CSV), how)))
    assert [event["messageId"] for event in other] == ["more:1", "more:2"]
    named = said(list(read(tmp_path / "more.csv", mapping(tmp_path, SHOP + "source: shop\n"))))
    assert [event["messageId"] for event in named] == ["shop:1", "shop:2"]


def test_all_that_a_mapping_can_say(tmp_path: Path) -> None:
    """Prefix, anonymous ids, one name for all, seconds, constants, properties, another delimiter, and no sign."""
    how = mapping(
        tmp_path,
        """\
user: {column: id, prefix: x-, anonymous: true}
time: {column: t, unit: s}
event_name: Order Refunded
amount: {columns: [v], property: total, absolute: true}
properties: {sku: article}
constants: {currency: EUR, test: true}
delimiter: ";"
""",
    )
    (event,) = said(list(read(file(tmp_path, "a.csv", "id;t;v;article\n5;1769860800.25;-3;cup\n"), how)))
    assert event == {
        "type": "track",
        "event": "Order Refunded",
        "anonymousId": "x-5",
        "messageId": "a:1",
        "timestamp": "2026-01-31T12:00:00.250Z",
        "properties": {"currency": "EUR", "test": True, "sku": "cup", "total": 3.0},
    }


def test_campaign_events_go_to_their_topic(tmp_path: Path) -> None:
    """A name with a channel becomes the short form, on the campaigns topic; `type` makes a page of a row."""
    how = mapping(
        tmp_path,
        "user: u\ntime: {column: t, unit: ms}\nevent: e\nevents: {sent: {name: send, channel: email}, seen: {name: Home, type: page}}\n",
    )
    emissions = list(read(file(tmp_path, "a.csv", f"u,t,e\n1,{NOON_MS},sent\n1,{NOON_MS},seen\n"), how))
    assert [emission.topic for emission in emissions] == ["campaigns", "clickstream"]
    first, second = said(emissions)
    assert (first["event"], first["channel"], "type" in first) == ("send", "email", False)
    assert (second["type"], second["event"]) == ("page", "Home")


def test_other_names_are_kept_skipped_or_stopped(tmp_path: Path) -> None:
    """`others` decides about names that `events` does not hold; rows keep their numbers."""
    path = file(tmp_path, "shop.csv", CSV.replace("bought", "looked", 1).replace("8,", "9,") + "9,2026-01-31T12:00:00Z,bought,1,1\n")
    assert len(list(read(path, mapping(tmp_path, SHOP)))) == 3
    (kept,) = said(list(read(path, mapping(tmp_path, SHOP + "others: skip\n"))))
    assert kept["messageId"] == "shop:3"
    stop = mapping(tmp_path, SHOP + "others: stop\n")
    assert fault(path, stop) == "shop.csv: line 2, column what: names 'looked', which `events` of the mapping does not hold"


def test_times_without_offset_need_a_zone(tmp_path: Path) -> None:
    """A local time is no instant until the mapping says where; a date is its midnight."""
    how = "user: u\ntime: {column: t%s}\nevent_name: Visit\n"
    path = file(tmp_path, "a.csv", "u,t\n1,2026-07-01 12:00:00\n1,2026-07-01\n")
    assert fault(path, mapping(tmp_path, how % "")) == (
        "a.csv: line 2, column t: has no offset: say `zone` in the mapping (UTC, Europe/Berlin, ...)"
    )
    events = said(list(read(path, mapping(tmp_path, how % ", zone: Europe/Berlin"))))
    assert [event["timestamp"] for event in events] == ["2026-07-01T10:00:00.000Z", "2026-06-30T22:00:00.000Z"]


def test_json_lines_by_a_mapping(tmp_path: Path) -> None:
    """Members are columns, also inside of others; what is missing is absent."""
    how = mapping(tmp_path, "user: user.id\ntime: {column: ts, unit: ms}\nevent: kind\namount: value\nproperties: {city: user.city}\n")
    lines = [
        {"user": {"id": 4, "city": "Ulm"}, "ts": NOON_MS, "kind": "Order Completed", "value": 2.55},
        {"user": {"id": "b"}, "ts": NOON_MS, "kind": "Visit"},
    ]
    emissions = list(read(file(tmp_path, "a.jsonl", "\n\n".join(map(json.dumps, lines))), how))
    assert [emission.key for emission in emissions] == [b"4", b"b"]
    assert [event.get("properties") for event in said(emissions)] == [{"city": "Ulm", "revenue": 2.55}, None]


def test_segment_lines_stand_as_they_are(tmp_path: Path) -> None:
    """Events of trackers are sent byte for byte, keyed by their raw id; campaign events go to their topic."""
    lines = [
        b'{"type":"track", "event":"X","userId":"u","anonymousId":"a","messageId":"m1","timestamp":"2026-01-31T12:00:00Z"}',
        b'{"type":"page","anonymousId":"a","messageId":"m2","timestamp":1769860800000}',
        b'{"event":"open","channel":"email","userId":5,"messageId":"m3","timestamp":"2026-01-31T13:00:00+01:00"}',
        b'{"type":"track","event":"X","userId":"u","messageId":"m","timestamp":"2026-01-31T12:00:00Z","context":{"channel":"sms"}}',
    ]
    emissions = list(read(file(tmp_path, "a.jsonl", b"\n".join(lines))))
    assert [emission.value for emission in emissions] == lines
    assert [emission.key for emission in emissions] == [b"u", b"a", b"5", b"u"]
    assert [emission.topic for emission in emissions] == ["clickstream", "clickstream", "campaigns", "campaigns"]
    assert {emission.at_ms for emission in emissions} == {NOON_MS}


def test_segment_lines_get_an_id_where_they_have_none(tmp_path: Path) -> None:
    """File and line make the id, so that reading a file twice counts once."""
    line = b'{"type":"page","userId":"u","timestamp":"2026-01-31T12:00:00Z"}'
    emissions = list(read(file(tmp_path, "log.jsonl.gz", gzip.compress(b"\n" + line + b"\n"))))
    assert said(emissions)[0] == {"messageId": "log:2", "type": "page", "userId": "u", "timestamp": NOON}


def test_parquet(tmp_path: Path) -> None:
    """Columns of numbers, dictionaries, floats with gaps and timestamps are read by their meaning."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "u": pa.array([1.0, None, 3.0]),
            "t": pa.array([datetime(2026, 1, 31, 12, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
            "e": pa.array(["Order Completed", "Visit", "Visit"]).dictionary_encode(),
            "v": pa.array([2.55, 1, None], pa.float32()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    how = mapping(tmp_path, "user: u\ntime: t\nevent: e\namount: v\n")
    assert fault(tmp_path / "a.parquet", how) == "a.parquet: row 2, column u: is empty"
    bad: list[str] = []
    emissions = list(read(tmp_path / "a.parquet", how, lambda error: bad.append(error.path)))
    assert bad == ["row 2, column u"]
    assert [(emission.key, emission.at_ms) for emission in emissions] == [(b"1", NOON_MS), (b"3", NOON_MS)]
    assert said(emissions)[0]["properties"] == {"revenue": 2.55}
    assert [event["messageId"] for event in said(emissions)] == ["a:1", "a:3"]


@pytest.mark.parametrize(
    ("value", "revenue"),
    [(2.549999952316284, 2.55), (1234567.89, 1234567.89), (0.1, 0.1), (16777216.0, 16777216.0), (12345.669921875, 12345.67), (1e14, 1e14)],
)
def test_floats_mean_what_was_typed(tmp_path: Path, value: float, revenue: float) -> None:
    """Narrow floats are read as the decimal that was stored in them, wide ones to the last cent."""
    how = mapping(tmp_path, "user: u\ntime: {column: t, unit: ms}\nevent_name: Order Completed\namount: v\n")
    (event,) = said(list(read(file(tmp_path, "a.jsonl", json.dumps({"u": 1, "t": NOON_MS, "v": value})), how)))
    assert event["properties"] == {"revenue": revenue}


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    """With somebody to tell, a bad row does not stop the file, and the rows behind it keep their ids."""
    path = file(tmp_path, "shop.csv", CSV.replace("2.50", "cheap"))
    told: list[str] = []
    emissions = list(read(path, mapping(tmp_path, SHOP), lambda error: told.append(str(error))))
    assert [event["messageId"] for event in said(emissions)] == ["shop:2"]
    assert told == [f"{path}: line 2, column price: is no number: 'cheap'"]


@pytest.mark.parametrize(
    ("name", "content", "fault_said"),
    [
        ("a.csv", "", "a.csv: is empty: its first line names the columns"),
        ("a.csv", "wo,when,what,price,pieces\n", "a.csv: has no column `who`, did you mean `wo`?"),
        ("a.csv", "x,y\n", "a.csv: has no column `who`; there are: x, y"),
        ("a.csv", CSV + "1,2\n", "a.csv: line 4: has 2 values, the first line names 5 columns"),
        ("a.csv", CSV.replace("7,", ",", 1), "a.csv: line 2, column who: is empty"),
        (
            "a.csv",
            CSV.replace("2026-01-31 12", "31.1.2026 12"),
            "a.csv: line 2, column when: is no RFC 3339 time: '31.1.2026 12:00:00+00:00'",
        ),
        ("a.csv", CSV.replace("looked", ""), "a.csv: line 3, column what: names no event"),
        ("a.csv", CSV.replace(",3", ",inf"), "a.csv: line 2, column pieces: is no amount: 'inf'"),
        ("a.csv", CSV.replace(",3", ",1e400"), "a.csv: line 2, column pieces: is no amount: '1e400'"),
        ("a.csv", CSV.replace(",3", ",nan"), "a.csv: line 2, column pieces: is no amount: 'nan'"),
        ("a.csv", CSV + '9,"2026\n2027",x,1,1\n', "a.csv: line 4, column when: is no RFC 3339 time: '2026\\n2027'"),
        ("a.csv", CSV + '9,"open\n', "a.csv: line 4: is no CSV (unexpected end of data)"),
        ("a.csv", CSV.encode() + b"\xff,,,,\n", "a.csv: line 4: is not UTF-8"),
        ("a.csv.gz", gzip.compress(CSV.encode())[:-9], "a.csv.gz: line 4: cannot be read on ("),
        ("a.csv.gz", CSV, "a.csv.gz: line 1: cannot be read on ("),
        ("a.parquet", "PAR?", "a.parquet: row 1: is no Parquet file ("),
        ("a.jsonl", "[1]\n", "a.jsonl: line 1: is no JSON object ("),
        ("a.jsonl", '{"who":true,"when":"2026-01-31T12:00:00Z","what":"x"}', "a.jsonl: line 1, column who: is no user id"),
        ("a.jsonl", '{"who":1,"when":5,"what":"x"}', "a.jsonl: line 1, column when: is no RFC 3339 time: 5"),
        ("a.jsonl", '{"who":1,"what":"x"}', "a.jsonl: line 1, column when: is empty"),
        ("a.txt", "", "a.txt: ends in none of .jsonl, .ndjson, .json, .csv, .tsv, .parquet: let the mapping say `format`"),
    ],
)
def test_bad_files_name_file_line_and_column(tmp_path: Path, name: str, content: str | bytes, fault_said: str) -> None:
    """Each error says where to look."""
    assert fault(file(tmp_path, name, content), mapping(tmp_path, SHOP)).startswith(fault_said)


@pytest.mark.parametrize(
    ("line", "fault_said"),
    [
        ("{", "a.jsonl: line 1: is no event ("),
        ('{"type":"page","timestamp":"2026-01-31T12:00:00Z"}', "a.jsonl: line 1: has neither userId nor anonymousId"),
        ('{"type":"page","userId":"u"}', "a.jsonl: line 1, column timestamp: is missing"),
        ('{"type":"page","userId":"u","timestamp":"soon"}', "a.jsonl: line 1, column timestamp: is no RFC 3339 time: 'soon'"),
        ('{"type":"page","userId":"u","timestamp":"2026-01-31T12:00:00"}', "a.jsonl: line 1, column timestamp: has no offset"),
    ],
)
def test_bad_segment_lines(tmp_path: Path, line: str, fault_said: str) -> None:
    """A line that cannot be placed in time or on a partition is refused before anything is sent."""
    assert fault(file(tmp_path, "a.jsonl", line)).startswith(fault_said)


def test_seconds_must_be_numbers(tmp_path: Path) -> None:
    """Text, infinity and lists are no time in seconds."""
    how = mapping(tmp_path, "user: u\ntime: {column: t, unit: s}\nevent_name: Visit\n")
    for value in ('"soon"', '"inf"', "[1]", '"1e999999999"', "1e300"):
        path = file(tmp_path, "a.jsonl", f'{{"u":1,"t":{value}}}')
        assert fault(path, how).startswith("a.jsonl: line 1, column t: is no number of s since 1970: ")


def test_times_lie_in_the_calendar(tmp_path: Path) -> None:
    """A number that is no date is an error, not a crash."""
    how = mapping(tmp_path, "user: u\ntime: {column: t, unit: s}\nevent_name: Visit\n")
    said_of = "lies in no year that the calendar has: 1000000000000000 ms since 1970"
    assert fault(file(tmp_path, "a.jsonl", f'{{"u":1,"t":{10**12}}}'), how) == f"a.jsonl: line 1, column t: {said_of}"
    line = f'{{"type":"page","userId":"u","timestamp":{10**15}}}'
    assert fault(file(tmp_path, "b.jsonl", line)) == f"b.jsonl: line 1, column timestamp: {said_of}"


def test_missing_files(tmp_path: Path) -> None:
    """A file that is not there is named, whatever its format."""
    assert fault(tmp_path / "no.jsonl") == "no.jsonl: cannot be read (No such file or directory)"
    assert fault(tmp_path / "no.parquet", mapping(tmp_path, SHOP)) == "no.parquet: is not there"
    assert fault(tmp_path / "no.csv") == "no.csv: is no file of JSON lines: which column means what must be said by a mapping"


@pytest.mark.parametrize("name", ["segment", "mathoverflow", "online_retail", "completejourney"])
def test_shipped_examples_load(name: str) -> None:
    """Every mapping in config/examples is a valid one."""
    assert load_mapping(EXAMPLES / f"{name}.yaml").shape == ("segment" if name == "segment" else "flat")


@pytest.mark.parametrize(
    ("text", "fault_said"),
    [
        ("time: t\nevent: e\n", "map.yaml: user: is missing: the column must be named"),
        ("user: u\nevent: e\n", "map.yaml: time: is missing: the column must be named"),
        ("user: u\ntime: t\n", "map.yaml: event: name either `event` (a column) or `event_name` (one name for all rows)"),
        ("user: u\ntime: t\nevent: e\nevent_name: x\n", "map.yaml: event: name either"),
        ("user: u\ntime: t\nevent: e\nothers: skip\n", "map.yaml: others: needs `events`"),
        ("user: u\ntime: {column: t, zone: Mars}\nevent: e\n", "map.yaml: time.zone: 'Mars' is no time zone"),
        ("user: u\ntime: {column: t, unit: h}\nevent: e\n", "map.yaml: time.unit: "),
        ("user: u\ntime: t\nevent: e\ncolour: red\n", "map.yaml: colour: is not a setting"),
        ("user: [u]\ntime: t\nevent: e\n", "map.yaml: user: must be"),
        ("user: u\ntime: t\nevent: e\namount: {columns: []}\n", "map.yaml: amount.columns: "),
        ("user: u\ntime: t\nevent: e\ndelimiter: ', '\n", "map.yaml: delimiter: "),
        ("shape: segment\nuser: u\n", "map.yaml: user: says what a column means, but `shape: segment` has no columns"),
        ("shape: segment\nformat: csv\n", "map.yaml: format: events of `shape: segment` are JSON lines"),
    ],
)
def test_broken_mappings_name_the_place(tmp_path: Path, text: str, fault_said: str) -> None:
    """Each error says which file and which path."""
    with pytest.raises(ConfigError) as caught:
        mapping(tmp_path, text)
    assert str(caught.value).startswith(fault_said)
