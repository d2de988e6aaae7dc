"""Verifications and exports."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.audit.models import AuditJob
from lsml.console.admin.base import Fact
from lsml.console.admin.jobs import JobAdmin
from lsml.console.lists.filters import choice_filter
from lsml.console.pages.audit_jobs import ExportForm
from lsml.console.templatetags.console import moment


@admin.register(AuditJob)
class AuditJobAdmin(JobAdmin):
    """Newest first, with the forms to start one."""

    change_list_template = "console/audit_jobs.html"
    list_display = (
        "number",
        "kind",
        "state_",
        "progress_",
        "requested_by",
        "requested",
        "took",
    )
    list_columns = (*JobAdmin.list_columns, "kind")
    list_filter = (
        choice_filter("kind", _("Kind"), AuditJob.Kind.choices),
        choice_filter("state", _("State"), AuditJob.State.choices),
    )
    empty_hint = _("None yet. The buttons above start a verification or an export.")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"export_form": ExportForm(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def facts(self, found: AuditJob) -> list[Fact]:
        days = ((_("From"), found.since), (_("Until"), found.until))
        return [
            Fact(_("Kind"), found.get_kind_display()),
            *(Fact(label, moment(at)) for label, at in days if at),
            *self.job_facts(found),
        ]
