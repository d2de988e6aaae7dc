"""Writes rows as JSON lines, CSV or Parquet, and reads them back as the sealed text.

Each format keeps what is needed to restore the canonical line of a row byte for byte.
docs/audit.md has the rules. Only Parquet needs a library, pyarrow.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any, Final, Protocol

import orjson

from lsml.audit.tables import Kind

FORMATS: Final = ("jsonl", "csv", "parquet")
_PARQUET_BATCH: Final = 5_000
_LINES_AT_ONCE: Final = 1_000
NO_PYARROW: Final = (
    "Parquet files need pyarrow, which is not installed:"
    " pip install -r requirements/export.txt"
)

Columns = dict[str, Kind]


class FormatMissing(Exception):
    """A library that a format needs is not installed."""


class Writer(Protocol):
    """Writes canonical lines to a file."""

    def write(self, line: str) -> None:
        """Add a row."""

    def close(self) -> None:
        """Finish the file."""


def writer(file_format: str, file: IO[bytes], columns: Columns) -> Writer:
    """Return a writer of `file_format` to `file`.

    Raises:
        FormatMissing: Parquet without pyarrow.
    """
    if file_format == "csv":
        return _CsvWriter(file, columns)
    if file_format == "parquet":
        return _ParquetWriter(file, columns)
    return _JsonlWriter(file)


def lines(file_format: str, file: IO[bytes], columns: Columns) -> Iterator[str]:
    """Yield the canonical lines that a file was written from."""
    if file_format == "csv":
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        rows = csv.reader(text)
        next(rows, None)
        return (_line(_from_cells(row, columns), columns) for row in rows)
    if file_format == "parquet":
        return (_line(_as_text(row), columns) for row in _parquet_rows(file))
    return (line.rstrip(b"\n").decode() for line in file)


# --- The canonical line, split and joined ---

_Values = dict[str, str | None]  # numbers and JSON as in the line; strings unquoted


def _values(line: str, columns: Columns) -> _Values:
    """Return each column's text, cut from the line so that no digit is lost."""
    values: _Values = {}
    at, scan = 1, json.JSONDecoder().raw_decode
    for name, kind in columns.items():
        at += len(name) + 3  # "name":
        value, end = scan(line, at)
        if value is None and kind != "json":
            values[name] = None
        elif kind in {"text", "time"}:
            values[name] = value
        else:
            values[name] = line[at:end]
        if kind == "json" and values[name] == "null":
            values[name] = None
        at = end + 1
    return values


def _line(values: _Values, columns: Columns) -> str:
    cells = []
    for name, kind in columns.items():
        value = values[name]
        if value is None:
            text = "null"
        elif kind in {"text", "time"}:
            text = json.dumps(value, ensure_ascii=False)
        else:
            text = value
        cells.append(f'"{name}":{text}')
    return "{" + ",".join(cells) + "}"


# --- JSON lines: the canonical lines themselves ---


class _JsonlWriter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lines: list[str] = []

    def write(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= _LINES_AT_ONCE:
            self.close()

    def close(self) -> None:
        self._file.write("".join(f"{line}\n" for line in self._lines).encode())
        self._lines = []


# --- CSV: an empty cell is null, except in text columns, which have no null. An
# apostrophe before a text is not part of it ---

# Also after white space, and as full-width characters.
_FORMULA: Final = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")


def plain_cell(text: str) -> str:
    """Return a text with an apostrophe before it if a spreadsheet would execute it."""
    return f"'{text}" if _FORMULA.match(text) else text


class _CsvWriter:
    def __init__(self, file: IO[bytes], columns: Columns) -> None:
        self._columns = columns
        self._text = io.TextIOWrapper(
            file, encoding="utf-8", newline="", write_through=True
        )
        self._csv = csv.writer(self._text)
        self._csv.writerow(columns)

    def write(self, line: str) -> None:
        values = _values(line, self._columns)
        self._csv.writerow(
            _to_cell(value, self._columns[name]) for name, value in values.items()
        )

    def close(self) -> None:
        self._text.detach()


def _to_cell(value: str | None, kind: Kind) -> str:
    if value is None:
        return ""
    if kind != "text":
        return value
    return f"'{value}" if value.startswith("'") else plain_cell(value)


def _from_cells(cells: list[str], columns: Columns) -> _Values:
    return {
        name: _from_cell(cell, kind)
        for (name, kind), cell in zip(columns.items(), cells, strict=True)
    }


def _from_cell(cell: str, kind: Kind) -> str | None:
    if kind == "text":
        return cell.removeprefix("'")
    return cell or None


# --- Parquet: numbers and times as such, JSON as text ---


class _ParquetWriter:
    def __init__(self, file: IO[bytes], columns: Columns) -> None:
        pa, pq = _pyarrow()
        types = {
            "integer": pa.int64(),
            "float": pa.float64(),
            "boolean": pa.bool_(),
            "time": pa.timestamp("us", tz="UTC"),
        }
        self._columns = columns
        self._schema = pa.schema(
            [(name, types.get(kind, pa.string())) for name, kind in columns.items()]
        )
        self._pa = pa
        self._rows: list[dict[str, Any]] = []
        self._parquet = pq.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, line: str) -> None:
        values = _values(line, self._columns)
        self._rows.append(
            {
                name: _as_native(value, self._columns[name])
                for name, value in values.items()
            }
        )
        if len(self._rows) >= _PARQUET_BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._parquet.close()

    def _flush(self) -> None:
        table = self._pa.Table.from_pylist(self._rows, schema=self._schema)
        self._parquet.write_table(table)
        self._rows = []


def _parquet_rows(file: IO[bytes]) -> Iterable[dict[str, Any]]:
    _, pq = _pyarrow()
    for batch in pq.ParquetFile(file).iter_batches(batch_size=_PARQUET_BATCH):
        yield from batch.to_pylist()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise FormatMissing(NO_PYARROW) from None
    return pa, pq


def _as_native(value: str | None, kind: Kind) -> Any:
    if value is None or kind in {"text", "json"}:
        return value
    if kind == "time":
        return datetime.fromisoformat(value + "+00:00")
    if kind == "boolean":
        return value == "true"
    return int(value) if kind == "integer" else float(value)


def _as_text(row: dict[str, Any]) -> _Values:
    values: _Values = {}
    for name, value in row.items():
        if isinstance(value, datetime):
            text = value.replace(tzinfo=None).isoformat()
            values[name] = text.rstrip("0") if "." in text else text
        elif isinstance(value, float):
            values[name] = float_text(value)
        elif isinstance(value, bool):
            values[name] = "true" if value else "false"
        else:
            values[name] = None if value is None else str(value)
    return values


def float_text(value: float) -> str:
    """Return a float below 1e15 as PostgreSQL writes it, with the same digits."""
    text = repr(value)
    return text.removesuffix(".0") if "e" not in text else text


def dumps(value: Any) -> bytes:
    """Return a JSON line, for the files beside the rows."""
    return orjson.dumps(value) + b"\n"
