"""Rows of JSON lines, CSV and Parquet files: the same few columns of each, whatever the format."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from streams.configfile import did_you_mean
from streams.errors import ConfigError
from streams.replay.mapping import Format

__all__ = ["Row", "format_of", "lines", "rows"]

#: Line (row, in Parquet) that begins the record, counted from 1, and the values of the columns asked for.
Row = tuple[int, Sequence[Any]]

_SUFFIXES: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
#: Rows of Parquet that are turned into Python's values at a time.
_PARQUET_ROWS: Final = 8192


def format_of(path: Path) -> Format:
    """The format that the file's name tells; `.gz` counts as what stands before it."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    found = _SUFFIXES.get(suffix.lower())
    if found is None:
        raise ConfigError(f"ends in none of {', '.join(_SUFFIXES)}: let the mapping say `format`", file=str(path))
    return found


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, without their line ends, numbered from 1; gzip is unpacked on the way."""
    number = 0
    with _reading(path) as file:
        try:
            for number, line in enumerate(file, 1):
                stripped = line.strip()
                if stripped:
                    yield number, stripped
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"cannot be read on ({error})", file=str(path), path=f"line {number + 1}") from None


def rows(path: Path, format: Format, columns: Sequence[str], delimiter: str = ",") -> Iterator[Row]:
    """The values of `columns` in each row. In JSON lines `a.b` is the member `b` of `a`, and what is missing is None."""
    if format == "parquet":
        return _parquet(path, columns)
    return (
        _csv(path, columns, "\t" if path.name.removesuffix(".gz").endswith(".tsv") else delimiter)
        if format == "csv"
        else _jsonl(path, columns)
    )


def _jsonl(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    ways = [column.split(".") for column in columns]
    for number, line in lines(path):
        try:
            members = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"is no JSON object ({error})", file=str(path), path=f"line {number}") from None
        yield number, [members[column] if column in members else _member(members, way) for column, way in zip(columns, ways, strict=True)]


def _member(members: Any, way: Sequence[str]) -> Any:
    for name in way:
        if not isinstance(members, dict):
            return None
        members = members.get(name)
    return members


def _csv(path: Path, columns: Sequence[str], delimiter: str) -> Iterator[Row]:
    with _reading(path) as file:
        reader = csv.reader(_text(file, path), delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise ConfigError("is empty: its first line names the columns", file=str(path))
            places = _places(header, columns, path)
            number = reader.line_num + 1
            for row in reader:
                if row:
                    if len(row) != len(header):
                        message = f"has {len(row)} values, the first line names {len(header)} columns"
                        raise ConfigError(message, file=str(path), path=f"line {number}")
                    yield number, [row[place] for place in places]
                number = reader.line_num + 1
        except csv.Error as error:
            raise ConfigError(f"is no CSV ({error})", file=str(path), path=f"line {reader.line_num}") from None


def _text(file: IO[bytes], path: Path) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(file, 1):
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8", file=str(path), path=f"line {number}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"cannot be read on ({error})", file=str(path), path=f"line {number + 1}") from None


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'streams[parquet]'", file=str(path)) from None
    if not path.is_file():
        raise ConfigError("is not there", file=str(path))
    number = 0
    try:
        file = pq.ParquetFile(path)
        _places(file.schema_arrow.names, columns, path)
        for batch in file.iter_batches(_PARQUET_ROWS, columns=list(columns)):
            values = [batch.column(column).to_pylist() for column in columns]
            for row in zip(*values, strict=True):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"is no Parquet file ({' '.join(str(error).split())})", file=str(path), path=f"row {number + 1}") from None


def _places(header: Sequence[str], columns: Sequence[str], path: Path) -> list[int]:
    for column in columns:
        if column not in header:
            question = did_you_mean(column, header) or f"; there are: {', '.join(header)}"
            raise ConfigError(f"has no column `{column}`{question}", file=str(path))
    return [header.index(column) for column in columns]


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", file=str(path)) from None
    with file:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield file
