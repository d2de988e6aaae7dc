"""What all lists and detail pages share: read-only, paged by key."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from lsml.access.roles import may
from lsml.console.lists.csv_export import csv_of_list
from lsml.console.lists.paging import KeyChangeList
from lsml.console.numbers import whole_number

PROJECT_COLUMNS = ("project__title", "project__labelstudio_id")  # of its name


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a detail page; `value` is escaped unless it is marked safe."""

    label: Any
    value: Any


class ReadOnlyAdmin(ModelAdmin):
    """Nobody can add, change or delete rows here, not even a superuser."""

    change_list_template = "console/list.html"
    detail_template = "console/detail.html"
    ordering = ("-pk",)
    sortable_by = ()
    actions = None
    list_filter: tuple[Any, ...] = ()
    list_per_page = 50
    # What the list reads, of other tables as well: "project__title". A column that is
    # shown but missing here costs a query per row.
    list_columns: tuple[str, ...] = ()
    show_full_result_count = False
    # Shown in an empty list; says how rows get there.
    empty_hint: Any = ""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "read")

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return may(request.user, "read")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[KeyChangeList]:
        return KeyChangeList

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the detail page: facts and panels, no form."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_object(request, unquote(object_id))
        if found is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return gone
        context = {
            **self.admin_site.each_context(request),
            "title": str(found),
            "opts": self.opts,
            "object": found,
            "facts": self.facts(found),
            **self.detail(request, found),
        }
        request.current_app = self.admin_site.name
        answer = TemplateResponse(request, self.detail_template, context)
        if origins := context.get("image_origins"):
            # django-csp lets this page, and no other, load images from there.
            answer._csp_update = {"img-src": origins}  # type: ignore[attr-defined]
        return answer

    def get_urls(self) -> list[URLPattern]:
        own: URLPattern = path(
            "csv/", self.admin_site.admin_view(partial(csv_of_list, self))
        )
        inherited: list[URLPattern] = super().get_urls()
        return [own, *inherited]

    def facts(self, found: Any) -> list[Fact]:
        """Return the facts at the top of the detail page."""
        return []

    def detail(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        """Return the rest of the template's context."""
        return {}


class TaskSearch:
    """Search by Label Studio's task ID, through its index.

    Django's own search compares texts, which reads every row.
    """

    search_fields = ("task_id",)
    search_help_text = _("Task ID")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        task_id = whole_number(search_term)
        if task_id is None:
            messages.warning(request, _("A task ID is a whole number, such as 42."))
            return queryset.none(), False
        return queryset.filter(task_id=task_id), False
