"""What the lists and pages of all kinds of jobs share."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import Fact, ReadOnlyAdmin
from lsml.console.pages.jobs import job_context
from lsml.console.progress import amount_done
from lsml.console.templatetags.console import badge, duration, moment
from lsml.jobs.models import Job


class JobAdmin(ReadOnlyAdmin):
    """Columns and facts of a job of any kind.

    The facts of a page stay the same while the job runs: what changes is in the
    fragment job.html, and the page is loaded again when the state changes.
    """

    detail_template = "console/job.html"
    list_columns: tuple[str, ...] = (
        "state",
        "progress",
        "done",
        "total",
        "message",
        "requested_by",
        "created_at",
        "started_at",
        "finished_at",
    )

    @admin.display(description=_("Number"))
    def number(self, row: Job) -> str:
        return f"#{row.pk}"

    @admin.display(description=_("State"))
    def state_(self, row: Job) -> str:
        return badge(row.state)

    # Not "progress": Django would show the column of the table instead.
    @admin.display(description=_("Progress"))
    def progress_(self, row: Job) -> str:
        return " · ".join(filter(None, (amount_done(row), row.message[:60]))) or "–"

    @admin.display(description=_("Requested"))
    def requested(self, row: Job) -> str:
        return moment(row.created_at)

    @admin.display(description=_("Took"))
    def took(self, row: Job) -> str:
        return duration(row.started_at, row.finished_at)

    def job_facts(self, job: Job) -> list[Fact]:
        """Return who requested the job, and when it ran."""
        return [
            Fact(_("Requested by"), job.requested_by),
            Fact(_("Requested"), moment(job.created_at)),
            Fact(_("Started"), moment(job.started_at)),
            Fact(_("Finished"), moment(job.finished_at)),
            Fact(_("Took"), self.took(job) if job.finished_at else "–"),
        ]

    def detail(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        return job_context(request, found)
