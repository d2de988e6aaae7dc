"""The chain of seals."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from lsml.audit.models import AuditJob, Seal
from lsml.audit.tables import SEALED_TABLES
from lsml.console.admin.base import Fact, ReadOnlyAdmin
from lsml.console.links import link, page_of
from lsml.console.lists.filters import choice_filter
from lsml.console.templatetags.console import moment


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    """All seals, newest first, below the last verification."""

    change_list_template = "console/seals.html"
    list_display = ("number", "table", "row_count", "short_digest", "sealed")
    list_columns = ("table", "row_count", "digest", "sealed_at")
    list_filter = (choice_filter("table", _("Table"), [(n, n) for n in SEALED_TABLES]),)
    empty_hint = _("No seal yet. The worker seals finished rows every few seconds.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("locator")  # up to megabytes

    @admin.display(description=_("Digest"))
    def short_digest(self, row: Seal) -> str:
        return format_html("<code>{}…</code>", row.digest[:16])

    @admin.display(description=_("Sealed"))
    def sealed(self, row: Seal) -> str:
        return moment(row.sealed_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        checked = (
            AuditJob.objects.filter(kind=AuditJob.Kind.VERIFY).order_by("-pk").first()
        )
        context = {"checked": checked, **(extra_context or {})}
        shown: HttpResponse = super().changelist_view(request, context)
        return shown

    def facts(self, found: Seal) -> list[Fact]:
        before = (
            link(page_of(Seal, found.number - 1), found.previous_digest)
            if found.number > 1
            else found.previous_digest
        )
        facts: list[tuple[Any, Any]] = [
            (_("Number"), found.number),
            (_("Table"), found.table),
            (_("Rows"), found.row_count),
            (_("Sealed"), moment(found.sealed_at)),
            (_("First ID"), found.first_id),
            (_("Last ID"), found.last_id),
            (_("Digest"), format_html("<code>{}</code>", found.digest)),
            (
                _("Digest of the rows"),
                format_html("<code>{}</code>", found.rows_digest),
            ),
            (_("Digest of the previous seal"), format_html("<code>{}</code>", before)),
        ]
        return [Fact(*fact) for fact in facts]
