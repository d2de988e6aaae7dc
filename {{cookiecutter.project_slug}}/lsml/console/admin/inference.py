"""Bulk predictions."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import Fact, ReadOnlyAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.console.pages.jobs import job_context
from lsml.console.templatetags.console import badge, duration, moment
from lsml.inference.models import PredictionJob


@admin.register(PredictionJob)
class PredictionJobAdmin(ReadOnlyAdmin):
    """Predictions of many known tasks, with their progress."""

    detail_template = "console/job.html"

    list_display = (
        "job",
        "project",
        "state_",
        "model_version",
        "progress",
        "requested_by",
    )
    list_select_related = ("project",)
    list_filter = (
        ProjectFilter,
        choice_filter("state", _("State"), PredictionJob.State.choices),
    )
    empty_hint = _("None yet: ask for one on a project's page.")

    @admin.display(description=_("Job"))
    def job(self, row: PredictionJob) -> str:
        return f"#{row.pk}"

    @admin.display(description=_("State"))
    def state_(self, row: PredictionJob) -> str:
        return badge(row.state)

    @admin.display(description=_("Tasks"))
    def progress(self, row: PredictionJob) -> str:
        return f"{row.done} / {row.total}"

    def detail(self, request: HttpRequest, found: PredictionJob) -> dict[str, Any]:
        return job_context(request, found)

    def facts(self, found: PredictionJob) -> list[Fact]:
        facts: list[tuple[Any, Any]] = [
            (_("Project"), link_to(found.project)),
            (_("State"), badge(found.state)),
            (_("Version"), found.model_version or "–"),
            (_("Tasks"), self.progress(found)),
            (_("Errors"), found.errors),
            (_("Error"), found.error or "–"),
            (_("Asked by"), found.requested_by),
            (_("Asked"), moment(found.created_at)),
            (_("Took"), duration(found.started_at, found.finished_at)),
        ]
        return [Fact(*fact) for fact in facts]
