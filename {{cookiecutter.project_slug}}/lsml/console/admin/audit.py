"""Predictions, webhook events and audit entries."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.console.admin.base import Fact, ReadOnlyAdmin, TaskSearch
from lsml.console.links import link_to
from lsml.console.lists.filters import (
    ProjectPkFilter,
    TimeFilter,
    VersionFilter,
    WithheldFilter,
    choice_filter,
    fact_filter,
)
from lsml.console.numbers import milliseconds
from lsml.console.pages.prediction import prediction_context
from lsml.console.templatetags.console import badge, in_short, moment
from lsml.labelstudio.webhooks import (
    DATASET_ACTIONS,
    PROJECT_UPDATED,
    START_TRAINING,
)
from lsml.registry.models import Project
from lsml.training.models import RunEvent, TrainingRun

_ACTIONS = sorted({*DATASET_ACTIONS, START_TRAINING, PROJECT_UPDATED})
_HINT = _(
    "Nothing here yet. Connect a Label Studio project to this backend, with its"
    " address and your access token:"
)


class AuditAdmin(ReadOnlyAdmin):
    """Rows that name their project by a plain ID."""

    empty_hint = _HINT
    list_filter: tuple[Any, ...] = (TimeFilter, ProjectPkFilter)

    @admin.display(description=_("Project"))
    def project(self, row: Any) -> str:
        return f"#{row.project_pk}" if row.project_pk else "–"

    def common_facts(self, row: Any) -> list[Fact]:
        """Return the project and the request that a row came from."""
        project = Project.objects.filter(pk=row.project_pk).first()
        return [
            Fact(_("Project"), link_to(project)),
            Fact(_("Client"), row.client),
            Fact(_("Request"), format_html("<code>{}</code>", row.request_id)),
        ]


@admin.register(Prediction)
class PredictionAdmin(TaskSearch, AuditAdmin):
    """Predictions with their version, score and latency."""

    detail_template = "console/prediction.html"
    list_display = ("time", "task", "model_version", "answer", "score_", "took", "kind")
    list_columns = (
        "created_at",
        "task_id",
        "model_version",
        "outcome",
        "withheld",
        "result",
        "score",
        "latency_ms",
        "kind",
    )
    list_filter = (
        TimeFilter,
        ProjectPkFilter,
        VersionFilter,
        fact_filter("outcome", _("Outcome"), Prediction.Outcome.choices),
        fact_filter("kind", _("Kind"), Prediction.Kind.choices),
        WithheldFilter,
    )

    @admin.display(description=_("Time"))
    def time(self, row: Prediction) -> str:
        return moment(row.created_at)

    @admin.display(description=_("Task"))
    def task(self, row: Prediction) -> str:
        return str(row.task_id) if row.task_id is not None else "–"

    @admin.display(description=_("Answer"))
    def answer(self, row: Prediction) -> Any:
        if row.outcome != Prediction.Outcome.OK:
            return badge(row.outcome)
        answer = in_short(row.result)
        return _("%s (not shown)") % answer if row.withheld else answer

    @admin.display(description=_("Score"))
    def score_(self, row: Prediction) -> str:
        return "–" if row.score is None else f"{row.score:.2f}"

    @admin.display(description=_("Latency"))
    def took(self, row: Prediction) -> str:
        return milliseconds(row.latency_ms)

    def detail(self, request: HttpRequest, found: Prediction) -> dict[str, Any]:
        return prediction_context(request, found)


@admin.register(WebhookEvent)
class WebhookEventAdmin(TaskSearch, AuditAdmin):
    """Webhook events from Label Studio, and the runs that trained on them."""

    detail_template = "console/event.html"
    list_display = ("time", "action", "task", "annotations", "project")
    list_columns = ("received_at", "action", "task_id", "annotation_ids", "project_pk")
    list_filter = (
        TimeFilter,
        ProjectPkFilter,
        choice_filter("action", _("Action"), [(name, name) for name in _ACTIONS]),
    )

    @admin.display(description=_("Time"))
    def time(self, row: WebhookEvent) -> str:
        return moment(row.received_at)

    @admin.display(description=_("Task"))
    def task(self, row: WebhookEvent) -> str:
        return str(row.task_id) if row.task_id is not None else "–"

    @admin.display(description=_("Annotations"))
    def annotations(self, row: WebhookEvent) -> str:
        return ", ".join(map(str, row.annotation_ids[:5])) or "–"

    def facts(self, found: WebhookEvent) -> list[Fact]:
        return [
            Fact(_("Received"), moment(found.received_at)),
            Fact(_("Action"), found.action),
            Fact(_("Task"), self.task(found)),
            Fact(_("Annotations"), self.annotations(found)),
            *self.common_facts(found),
            Fact(
                _("SHA-256 of the body"), format_html("<code>{}</code>", found.digest)
            ),
        ]

    def detail(self, request: HttpRequest, found: WebhookEvent) -> dict[str, Any]:
        run_ids = RunEvent.objects.filter(event_id=found.pk).values("run_id")
        return {
            "runs": TrainingRun.objects.filter(pk__in=run_ids).order_by("pk"),
            "payload": found.payload,
        }


@admin.register(AuditEntry)
class AuditEntryAdmin(AuditAdmin):
    """What people, policies and workers did."""

    list_display = ("time", "actor", "verb", "target", "reason_", "project")
    list_columns = ("at", "actor", "verb", "target", "reason", "project_pk")
    list_filter = (
        TimeFilter,
        ProjectPkFilter,
        choice_filter("verb", _("Did"), AuditEntry.Verb.choices),
    )

    @admin.display(description=_("Time"))
    def time(self, row: AuditEntry) -> str:
        return moment(row.at)

    @admin.display(description=_("Reason"))
    def reason_(self, row: AuditEntry) -> str:
        return row.reason[:80]

    def facts(self, found: AuditEntry) -> list[Fact]:
        return [
            Fact(_("Time"), moment(found.at)),
            Fact(_("Actor"), found.actor),
            Fact(_("Verb"), found.verb),
            Fact(_("Target"), found.target),
            Fact(_("Reason"), found.reason or "–"),
            *self.common_facts(found),
        ]

    def detail(self, request: HttpRequest, found: AuditEntry) -> dict[str, Any]:
        return {"json_title": _("Detail"), "json": found.detail}
