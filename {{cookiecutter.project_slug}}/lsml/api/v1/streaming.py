"""Whole lists as CSV or JSON lines, in constant memory."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from rest_framework.serializers import BaseSerializer

from lsml.audit.formats import plain_cell

STREAMS: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_BATCH: Final = 1_000


def streamed(
    *,
    rows: QuerySet[Any],
    serializer: type[BaseSerializer[Any]],
    name: str,
    file_format: str,
) -> StreamingHttpResponse:
    """Return a response that is written while the rows are read.

    Args:
        rows: Sorted by key.
        serializer: Of one row.
        name: Of the file that a browser saves, without extension.
        file_format: `csv` or `jsonl`.
    """
    written = _csv if file_format == "csv" else _jsonl
    return StreamingHttpResponse(
        written(_dicts(rows, serializer)),
        content_type=STREAMS[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}.{file_format}"'},
    )


def _dicts(
    rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]
) -> Iterator[dict[str, Any]]:
    # Read in batches by key. A cursor that stays open during a download would exceed
    # the statement timeout, and a pooling pgbouncer does not allow it.
    forward = rows.query.order_by == ("pk",)
    batch = list(rows[:_BATCH])
    while batch:
        yield from serializer(batch, many=True).data
        last = {"pk__gt" if forward else "pk__lt": batch[-1].pk}
        batch = list(rows.filter(**last)[:_BATCH])


def _jsonl(dicts: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for one in dicts:
        yield orjson.dumps(one) + b"\n"


def _csv(dicts: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for number, one in enumerate(dicts):
        if number == 0:
            writer.writerow(one)
        writer.writerow(_cell(value) for value in one.values())
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return plain_cell(value) if isinstance(value, str) else value
