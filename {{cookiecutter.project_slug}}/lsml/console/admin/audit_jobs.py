"""Verifications and exports."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.audit.models import AuditJob
from lsml.console.admin.base import Fact, ReadOnlyAdmin
from lsml.console.lists.filters import choice_filter
from lsml.console.pages.audit_jobs import ExportForm
from lsml.console.pages.jobs import job_context
from lsml.console.templatetags.console import badge, duration, moment


@admin.register(AuditJob)
class AuditJobAdmin(ReadOnlyAdmin):
    """Newest first, with the forms to start one."""

    change_list_template = "console/audit_jobs.html"
    detail_template = "console/job.html"
    list_display = ("job", "state_", "requested_by", "asked", "took")
    list_filter = (choice_filter("kind", _("Kind"), AuditJob.Kind.choices),)
    empty_hint = _("None yet: use the buttons above.")

    @admin.display(description=_("AuditJob"))
    def job(self, row: AuditJob) -> str:
        return str(row)

    @admin.display(description=_("State"))
    def state_(self, row: AuditJob) -> str:
        return badge(row.state)

    @admin.display(description=_("Asked"))
    def asked(self, row: AuditJob) -> str:
        return moment(row.created_at)

    @admin.display(description=_("Took"))
    def took(self, row: AuditJob) -> str:
        return duration(row.started_at, row.finished_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"export_form": ExportForm(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def facts(self, found: AuditJob) -> list[Fact]:
        facts: list[tuple[Any, Any]] = [
            (_("Kind"), found.get_kind_display()),
            (_("Asked by"), found.requested_by),
            (_("Asked"), moment(found.created_at)),
            (_("From"), moment(found.since)),
            (_("Until"), moment(found.until)),
            (_("Took"), duration(found.started_at, found.finished_at)),
        ]
        return [Fact(*fact) for fact in facts]

    def detail(self, request: HttpRequest, found: AuditJob) -> dict[str, Any]:
        return job_context(request, found)
