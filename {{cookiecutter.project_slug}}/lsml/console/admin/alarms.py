"""Alarms, open and cleared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.access.roles import may
from lsml.console.admin.base import PROJECT_COLUMNS, Fact, ReadOnlyAdmin
from lsml.console.links import link, link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.console.pages.alarms import AcknowledgeForm, place_of
from lsml.console.templatetags.console import badge, moment
from lsml.quality.alarms.models import STATES, Alarm


class StateFilter(SimpleListFilter):
    """Alarms that are open, acknowledged or cleared."""

    title = _("State")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, Any]]:
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        state = self.value()
        return queryset.in_state(state) if state in STATES else queryset


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """What needs or needed attention."""

    detail_template = "console/alarm.html"
    list_display = ("opened", "state_", "kind_", "project", "sentence_", "cleared")
    list_columns = (
        "opened_at",
        "cleared_at",
        "acknowledged_at",
        "kind",
        "sentence",
        *PROJECT_COLUMNS,
    )
    list_filter = (
        StateFilter,
        ProjectFilter,
        choice_filter("kind", _("Kind"), Alarm.Kind.choices),
    )
    empty_hint = _("None yet. docs/alarms.md lists what opens an alarm.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).opened().select_related("project")

    @admin.display(description=_("Opened"))
    def opened(self, row: Alarm) -> str:
        return moment(row.opened_at)

    @admin.display(description=_("State"))
    def state_(self, row: Alarm) -> str:
        return badge(row.state)

    @admin.display(description=_("Kind"))
    def kind_(self, row: Alarm) -> str:
        return row.get_kind_display()

    @admin.display(description=_("What is wrong"))
    def sentence_(self, row: Alarm) -> str:
        return row.sentence[:120]

    @admin.display(description=_("Cleared"))
    def cleared(self, row: Alarm) -> str:
        return moment(row.cleared_at)

    def facts(self, found: Alarm) -> list[Fact]:
        facts = [
            Fact(_("State"), badge(found.state)),
            Fact(_("Kind"), found.get_kind_display()),
            Fact(_("Project"), link_to(found.project)),
            Fact(_("What is wrong"), link(place_of(found), found.sentence)),
            Fact(_("What to do"), found.next_step),
            Fact(_("First seen"), moment(found.first_seen_at)),
            Fact(_("Opened"), moment(found.opened_at)),
            Fact(_("Last seen"), moment(found.last_seen_at)),
        ]
        if found.acknowledged_at:
            who = f"{moment(found.acknowledged_at)}, {found.acknowledged_by}"
            facts.append(Fact(_("Acknowledged"), who))
        if found.cleared_at:
            facts.append(Fact(_("Cleared"), moment(found.cleared_at)))
        return facts

    def detail(self, request: HttpRequest, found: Alarm) -> dict[str, Any]:
        is_waiting = found.state == "open" and may(request.user, "operate")
        return {
            "sent": found.messages.order_by("pk"),
            "form": AcknowledgeForm() if is_waiting else None,
        }
