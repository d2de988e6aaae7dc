"""Bulk predictions."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import PROJECT_COLUMNS, Fact
from lsml.console.admin.jobs import JobAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.inference.models import PredictionJob


@admin.register(PredictionJob)
class PredictionJobAdmin(JobAdmin):
    """Predictions of all known tasks of a project."""

    list_display = (
        "number",
        "project",
        "state_",
        "progress_",
        "model_version",
        "requested_by",
        "requested",
        "took",
    )
    list_columns = (*JobAdmin.list_columns, *PROJECT_COLUMNS, "model_version")
    list_filter = (
        ProjectFilter,
        choice_filter("state", _("State"), PredictionJob.State.choices),
    )
    empty_hint = _("None yet. “Predict all” on the page of a project starts one.")

    def facts(self, found: PredictionJob) -> list[Fact]:
        return [Fact(_("Project"), link_to(found.project)), *self.job_facts(found)]
