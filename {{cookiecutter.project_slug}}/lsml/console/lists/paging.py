"""Paging by key: every page of a list costs the same."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from lsml.audit.counting import count
from lsml.console.lists.rows import heads, rows
from lsml.console.numbers import whole_number

BEFORE, AFTER = "before", "after"


class KeyChangeList(ChangeList):
    """A list ordered by key, newest first, with links to newer and older rows."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        params = request.GET.copy()
        self.before = whole_number(params.pop(BEFORE, [""])[-1])
        self.after = whole_number(params.pop(AFTER, [""])[-1])
        for name in [name for name, value in params.items() if "\0" in value]:
            del params[name]  # PostgreSQL refuses a query with a NUL
        # Django uses the other parameters as filters and repeats them in every link.
        request.GET = params  # type: ignore[assignment]
        super().__init__(request, *args, **kwargs)

    def get_queryset(self, request: HttpRequest, *args: Any) -> QuerySet[Model]:
        """Read only the columns that the list shows.

        Others can be large: logs, payloads, label configs.
        """
        found: QuerySet[Model] = super().get_queryset(request, *args)
        columns = self.model_admin.list_columns
        found = found.select_related(None)
        if joined := {column.rpartition("__")[0] for column in columns} - {""}:
            found = found.select_related(*joined)
        return found.only(*columns)

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and whether there are newer and older rows."""
        size = self.list_per_page
        matching = self.queryset
        if self.after is not None:
            found = list(matching.filter(pk__gt=self.after).order_by("pk")[: size + 1])
            more_newer, more_older = len(found) > size, True
            found = found[:size][::-1]
        else:
            if self.before is not None:
                matching = matching.filter(pk__lt=self.before)
            found = list(matching[: size + 1])
            more_newer, more_older = self.before is not None, len(found) > size
            found = found[:size]
        self.newer = found[0].pk if found and more_newer else None
        self.older = found[-1].pk if found and more_older else None
        self.total = count(self.queryset)  # estimated where counting is not cheap
        self._set_results(found)

    def _set_results(self, found: list[Model]) -> None:
        self.result_list = found
        self.result_count = self.full_result_count = len(found)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False
        self.paginator = Paginator(found, max(len(found), 1))

    @property
    def heads(self) -> list[str]:
        """Heads of the columns."""
        return heads(self)

    @property
    def rows(self) -> list[SafeString]:
        """Cells of each row of the page, as HTML."""
        return rows(self, self.heads)

    @property
    def newer_link(self) -> str:
        """Query string of the page with newer rows."""
        return str(self.get_query_string({AFTER: self.newer}))

    @property
    def older_link(self) -> str:
        """Query string of the page with older rows."""
        return str(self.get_query_string({BEFORE: self.older}))
