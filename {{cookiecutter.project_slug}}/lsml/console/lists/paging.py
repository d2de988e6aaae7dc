"""Paging by key: a page costs the same wherever it is, and nothing is counted."""

from typing import Any

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

BEFORE, AFTER = "before", "after"
# Below this many rows a count is exact; it reads at most this many index entries.
COUNT_MAX = 10_000


class KeyChangeList(ChangeList):
    """A list ordered by key, newest first, with links to newer and older rows."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        params = request.GET.copy()
        self.before = _key(params.pop(BEFORE, [""])[-1])
        self.after = _key(params.pop(AFTER, [""])[-1])
        # Django takes what is left for filters, and repeats it in every link.
        request.GET = params  # type: ignore[assignment]
        super().__init__(request, *args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        """One page, and whether there is a row on either side of it."""
        size = self.list_per_page
        rows = self.queryset
        if self.after is not None:
            found = list(rows.filter(pk__gt=self.after).order_by("pk")[: size + 1])
            more_newer, more_older = len(found) > size, True
            found = found[:size][::-1]
        else:
            if self.before is not None:
                rows = rows.filter(pk__lt=self.before)
            found = list(rows[: size + 1])
            more_newer, more_older = self.before is not None, len(found) > size
            found = found[:size]
        self.newer = found[0].pk if found and more_newer else None
        self.older = found[-1].pk if found and more_older else None
        self._tell_django(found)

    def _tell_django(self, found: list[Model]) -> None:
        self.result_list = found
        self.result_count = self.full_result_count = len(found)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False
        self.paginator = Paginator(found, max(len(found), 1))

    @property
    def total(self) -> tuple[int, bool] | None:
        """Number of all rows and whether it is exact; None where a filter is on."""
        if self.has_active_filters or self.query:
            return None
        return row_count(self.root_queryset)

    @property
    def newer_link(self) -> str:
        """Query string of the page above."""
        return str(self.get_query_string({AFTER: self.newer}))

    @property
    def older_link(self) -> str:
        """Query string of the page below."""
        return str(self.get_query_string({BEFORE: self.older}))


def row_count(rows: QuerySet[Any]) -> tuple[int, bool]:
    """Rows of a whole table: exact when they are few, else PostgreSQL's estimate."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
            FROM pg_partition_tree(%s) p JOIN pg_class c ON c.oid = p.relid
            WHERE p.isleaf
            """,
            [rows.model._meta.db_table],
        )
        estimate: int = cursor.fetchone()[0]
    if estimate > COUNT_MAX:
        return estimate, False
    counted = rows.order_by()[: COUNT_MAX + 1].count()
    return counted, counted <= COUNT_MAX


def _key(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None
