"""Exports a list with its filters as CSV, streamed in batches."""

import csv
from collections.abc import Iterator
from html import unescape
from typing import Any, Final

from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags

from lsml.access.roles import may
from lsml.audit.formats import plain_cell
from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin

ROWS_MAX: Final = 100_000  # the export of the audit log has no limit
_BATCH: Final = 2_000  # rows per query, far below the statement timeout


def csv_of_list(model_admin: Any, request: HttpRequest) -> StreamingHttpResponse:
    """Stream the rows of the list at this address, newest first."""
    if not may(request.user, "export"):
        raise PermissionDenied
    changes = model_admin.get_changelist_instance(request)
    name = model_admin.opts.model_name
    record_entry(
        origin=Origin.from_request(request),
        at=timezone.now(),
        actor=request.user.get_username(),
        verb=AuditEntry.Verb.LIST_EXPORTED,
        target=f"list {name}",
        detail={"filters": request.GET.urlencode()},
    )
    answer = StreamingHttpResponse(
        _lines(model_admin, changes.queryset), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


class _Line:
    """A file for csv.writer that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def _lines(model_admin: Any, rows: Any) -> Iterator[str]:
    writer = csv.writer(_Line())
    columns = model_admin.list_display
    titles = [label_for_field(c, model_admin.model, model_admin) for c in columns]
    yield writer.writerow(["id", *titles])
    below, sent = None, 0
    while sent < ROWS_MAX:
        page = rows if below is None else rows.filter(pk__lt=below)
        batch = list(page[:_BATCH])
        for row in batch:
            cells = [lookup_field(c, row, model_admin)[2] for c in columns]
            yield writer.writerow([row.pk, *map(_plain, cells)])
        if len(batch) < _BATCH:
            return
        below, sent = batch[-1].pk, sent + len(batch)


def _plain(cell: Any) -> str:
    text = unescape(strip_tags(str(cell))).strip()
    return plain_cell(text) if len(text) > 1 else text
