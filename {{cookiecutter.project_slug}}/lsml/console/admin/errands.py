"""Verifications and exports asked for here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import Fact, ReadOnlyAdmin
from lsml.console.lists.filters import choice_filter
from lsml.console.models import Errand
from lsml.console.pages.errands import ExportForm
from lsml.console.templatetags.console import badge, duration, moment


@admin.register(Errand)
class ErrandAdmin(ReadOnlyAdmin):
    """Errands, newest first, and the forms to ask for one."""

    change_list_template = "console/errands.html"
    detail_template = "console/errand.html"
    list_display = ("errand", "state_", "asked_by", "asked", "took")
    list_filter = (choice_filter("kind", _("Kind"), Errand.Kind.choices),)
    empty_hint = _("Nothing was asked for yet: use the buttons above.")

    @admin.display(description=_("Errand"))
    def errand(self, row: Errand) -> str:
        return str(row)

    @admin.display(description=_("State"))
    def state_(self, row: Errand) -> str:
        return badge(row.state)

    @admin.display(description=_("Asked"))
    def asked(self, row: Errand) -> str:
        return moment(row.created_at)

    @admin.display(description=_("Took"))
    def took(self, row: Errand) -> str:
        return duration(row.started_at, row.finished_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"export_form": ExportForm(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def facts(self, found: Errand) -> list[Fact]:
        facts: list[tuple[Any, Any]] = [
            (_("Kind"), found.get_kind_display()),
            (_("Asked by"), found.asked_by),
            (_("Asked"), moment(found.created_at)),
            (_("From"), moment(found.since)),
            (_("Until"), moment(found.until)),
            (_("Took"), duration(found.started_at, found.finished_at)),
        ]
        return [Fact(*fact) for fact in facts]

    def detail(self, request: HttpRequest, found: Errand) -> dict[str, Any]:
        return {"errand": found}
