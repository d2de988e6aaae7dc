"""Bulk predictions."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import PROJECT_COLUMNS, Fact
from lsml.console.admin.jobs import JobAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.inference.models import PredictionJob

_PROBLEMS_SHOWN = 50


@admin.register(PredictionJob)
class PredictionJobAdmin(JobAdmin):
    """Predictions of known tasks of a project."""

    detail_template = "console/prediction_job.html"
    list_display = (
        "number",
        "project",
        "state_",
        "progress_",
        "failed_",
        "model_version",
        "requested_by",
        "requested",
        "took",
    )
    list_columns = (*JobAdmin.list_columns, *PROJECT_COLUMNS, "model_version", "failed")
    list_filter = (
        ProjectFilter,
        choice_filter("state", _("State"), PredictionJob.State.choices),
    )
    empty_hint = _("None yet. “Predict all” on the page of a project starts one.")

    # Not "failed": the list could then be sorted by it, without an index.
    @admin.display(description=_("Failed"))
    def failed_(self, row: PredictionJob) -> str:
        return f"{row.failed:,}" if row.failed else "–"

    def facts(self, found: PredictionJob) -> list[Fact]:
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Tasks"), found.get_only_display()),
            Fact(_("View in Label Studio"), found.view),
            *self.job_facts(found),
        ]

    def detail(self, request: HttpRequest, found: PredictionJob) -> dict[str, Any]:
        download = reverse("prediction-problems-list")
        return {
            **super().detail(request, found),
            "problems": found.problems.order_by("pk")[:_PROBLEMS_SHOWN],
            "problem_count": found.invalid + found.gone + found.failed,
            "download": f"{download}?job={found.pk}&format=csv",
        }
