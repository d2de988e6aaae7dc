"""Training runs and the inbox."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import Fact, ReadOnlyAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.console.pages.run import run_context
from lsml.console.templatetags.console import badge, duration, moment
from lsml.training.models import TrainingRun


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    """Runs, live while they run."""

    detail_template = "console/run.html"
    list_display = (
        "run",
        "project",
        "state_",
        "progress_",
        "requested_by",
        "took",
        "made",
    )
    list_select_related = ("project", "version")
    list_filter = (
        ProjectFilter,
        choice_filter("state", _("State"), TrainingRun.State.choices),
    )
    empty_hint = _(
        "No run yet: annotations start one, or a button on the project's page."
    )

    @admin.display(description=_("Run"))
    def run(self, row: TrainingRun) -> str:
        return f"#{row.pk}"

    @admin.display(description=_("State"))
    def state_(self, row: TrainingRun) -> str:
        return badge(row.state)

    @admin.display(description=_("Progress"))
    def progress_(self, row: TrainingRun) -> str:
        return f"{row.progress:.0%} {row.message[:60]}"

    @admin.display(description=_("Took"))
    def took(self, row: TrainingRun) -> str:
        return duration(row.started_at, row.finished_at)

    @admin.display(description=_("Opened"))
    def made(self, row: TrainingRun) -> str:
        return moment(row.created_at)

    def get_queryset(self, request: HttpRequest) -> Any:
        joined = ("project", "version__project", "snapshot")
        return super().get_queryset(request).select_related(*joined)

    def facts(self, found: TrainingRun) -> list[Fact]:
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(
                _("Asked by"), f"{found.requested_by} ({found.get_trigger_display()})"
            ),
            Fact(_("Opened"), moment(found.created_at)),
            Fact(_("Started"), moment(found.started_at)),
            Fact(_("Took"), duration(found.started_at, found.finished_at)),
            Fact(_("Trained on"), found.snapshot or "–"),
            Fact(_("Version made"), link_to(found.version)),
        ]

    def detail(self, request: HttpRequest, found: TrainingRun) -> dict[str, Any]:
        return run_context(request, found)
