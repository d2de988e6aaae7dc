"""Evaluations of versions, on held-out tasks or in shadow."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import PROJECT_COLUMNS, Fact
from lsml.console.admin.jobs import JobAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, choice_filter
from lsml.console.pages.evaluation import evaluation_context
from lsml.console.templatetags.console import badge
from lsml.quality.models import Evaluation


@admin.register(Evaluation)
class EvaluationAdmin(JobAdmin):
    """What the promotion policies decided, and why."""

    detail_template = "console/evaluation.html"
    list_display = (
        "number",
        "project",
        "version_",
        "compared_with_",
        "verdict_",
        "reason_",
        "progress_",
        "requested",
    )
    list_columns = (
        *JobAdmin.list_columns,
        *PROJECT_COLUMNS,
        "version__version",
        "compared_with__version",
        "policy",
        "verdict",
        "promoted",
        "compared_on",
        "in_shadow_until",
        "reason",
        "error",
        "task_count",
    )
    list_select_related = ("project", "version", "compared_with")
    list_filter = (
        ProjectFilter,
        choice_filter("verdict", _("Verdict"), Evaluation.Verdict.choices),
        choice_filter("compared_on", _("Compared on"), Evaluation.ComparedOn.choices),
        choice_filter("state", _("State"), Evaluation.State.choices),
    )
    empty_hint = _(
        "None yet. New versions are compared with the served one once annotated tasks"
        " are held out, which begins with 30 of them."
    )

    @admin.display(description=_("Version"))
    def version_(self, row: Evaluation) -> str:
        return row.version.version

    @admin.display(description=_("Compared with"))
    def compared_with_(self, row: Evaluation) -> str:
        return row.other if row.verdict else "–"

    @admin.display(description=_("Verdict"))
    def verdict_(self, row: Evaluation) -> str:
        return badge(row.outcome or row.state)

    @admin.display(description=_("Reason"))
    def reason_(self, row: Evaluation) -> str:
        return row.reason or row.error or "–"

    def facts(self, found: Evaluation) -> list[Fact]:
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Version"), link_to(found.version, found.version.version)),
            Fact(_("Compared on"), found.get_compared_on_display()),
            Fact(_("Promoted by it"), _("yes") if found.promoted else _("no")),
            *self.job_facts(found),
        ]

    def detail(self, request: HttpRequest, found: Evaluation) -> dict[str, Any]:
        return {**super().detail(request, found), **evaluation_context(found)}
