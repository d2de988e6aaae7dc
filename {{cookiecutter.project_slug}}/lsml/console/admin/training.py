"""Training runs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import PROJECT_COLUMNS, Fact
from lsml.console.admin.jobs import JobAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.console.pages.run import run_context
from lsml.console.templatetags.console import held_out
from lsml.training.models import TrainingRun


@admin.register(TrainingRun)
class TrainingRunAdmin(JobAdmin):
    """Runs with their attempts and events."""

    detail_template = "console/run.html"
    list_display = (
        "number",
        "project",
        "state_",
        "progress_",
        "requested_by",
        "requested",
        "took",
    )
    list_columns = (*JobAdmin.list_columns, *PROJECT_COLUMNS)
    list_filter = (
        ProjectFilter,
        choice_filter("state", _("State"), TrainingRun.State.choices),
    )
    empty_hint = _(
        "No run yet. New annotations start one, or “Train now” on the page of a"
        " project."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        joined = ("project", "version__project", "snapshot")
        return super().get_queryset(request).select_related(*joined)

    def facts(self, found: TrainingRun) -> list[Fact]:
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Trigger"), found.get_trigger_display()),
            *self.job_facts(found),
            Fact(_("Trained on"), found.snapshot or "–"),
            Fact(_("Held out"), _held_out(found)),
            Fact(_("Version"), link_to(found.version)),
        ]

    def detail(self, request: HttpRequest, found: TrainingRun) -> dict[str, Any]:
        return run_context(request, found)


def _held_out(run: TrainingRun) -> str:
    return held_out(run.snapshot.held_out_task_count) if run.snapshot else "–"
