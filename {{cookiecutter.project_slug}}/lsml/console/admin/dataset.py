"""Tasks and annotations as last seen, and their agreement with predictions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lsml.audit.models import Prediction, WebhookEvent
from lsml.console.admin.base import PROJECT_COLUMNS, Fact, ReadOnlyAdmin, TaskSearch
from lsml.console.links import link, link_to, list_of, page_of
from lsml.console.lists.filters import ProjectFilter
from lsml.console.templatetags.console import badge, beginning, moment
from lsml.dataset.figures import percent
from lsml.dataset.models import Agreement, Annotation, Task

_HINT = _("Nothing here yet. Label Studio's webhooks bring tasks and annotations.")


@admin.register(Task)
class TaskAdmin(TaskSearch, ReadOnlyAdmin):
    """Tasks of Label Studio."""

    list_display = ("task_id", "project", "beginning", "updated")
    list_columns = ("task_id", *PROJECT_COLUMNS, "data", "updated_at")
    list_filter = (ProjectFilter,)
    empty_hint = _HINT

    @admin.display(description=_("Data"))
    def beginning(self, row: Task) -> str:
        return beginning(row.data)

    @admin.display(description=_("Last change"))
    def updated(self, row: Task) -> str:
        return moment(row.updated_at)

    def facts(self, found: Task) -> list[Fact]:
        by_task = {"q": found.task_id, "project": found.project_id}
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Last change in Label Studio"), moment(found.updated_at)),
            Fact(_("Deleted"), moment(found.deleted_at)),
            Fact(_("Predictions"), link(list_of(Prediction, **by_task), _("Show"))),
            Fact(_("Annotations"), link(list_of(Annotation, **by_task), _("Show"))),
            Fact(_("Events"), link(list_of(WebhookEvent, **by_task), _("Show"))),
        ]

    def detail(self, request: HttpRequest, found: Task) -> dict[str, Any]:
        return {"json_title": _("Data"), "json": found.data}


@admin.register(Annotation)
class AnnotationAdmin(TaskSearch, ReadOnlyAdmin):
    """Annotations that people made."""

    list_display = ("annotation_id", "task_id", "project", "state_", "updated")
    list_columns = (
        "annotation_id",
        "task_id",
        *PROJECT_COLUMNS,
        "deleted_at",
        "was_cancelled",
        "updated_at",
    )
    list_filter = (ProjectFilter,)
    empty_hint = _HINT

    def get_queryset(self, request: HttpRequest) -> QuerySet[Annotation]:
        rows: QuerySet[Annotation] = super().get_queryset(request)
        return rows.select_related("project")

    @admin.display(description=_("State"))
    def state_(self, row: Annotation) -> str:
        if row.deleted_at:
            return badge("deleted")
        return badge("skipped" if row.was_cancelled else "ok")

    @admin.display(description=_("Last change"))
    def updated(self, row: Annotation) -> str:
        return moment(row.updated_at)

    def facts(self, found: Annotation) -> list[Fact]:
        task = Task.objects.filter(
            project_id=found.project_id, task_id=found.task_id or -1
        ).first()
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Task"), link_to(task)),
            Fact(_("State"), self.state_(found)),
            Fact(_("Label Studio user"), found.completed_by or "–"),
            Fact(_("Took"), f"{found.lead_time:.1f} s" if found.lead_time else "–"),
            Fact(_("Last change in Label Studio"), moment(found.updated_at)),
        ]

    def detail(self, request: HttpRequest, found: Annotation) -> dict[str, Any]:
        return {"json_title": _("Result"), "json": found.result}


@admin.register(Agreement)
class AgreementAdmin(TaskSearch, ReadOnlyAdmin):
    """Agreement of predictions with later annotations."""

    list_display = ("task_id", "project", "model_version", "measure", "value_")
    list_columns = ("task_id", *PROJECT_COLUMNS, "model_version", "measure", "value")
    list_filter = (ProjectFilter,)
    empty_hint = _("Nothing here yet. A predicted task must be annotated.")

    @admin.display(description=_("Agreement"))
    def value_(self, row: Agreement) -> str:
        return percent(row.value)

    def facts(self, found: Agreement) -> list[Fact]:
        prediction = page_of(Prediction, found.prediction_id)
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Prediction"), link(prediction, found.prediction_id)),
            Fact(_("Annotation"), found.annotation_id),
            Fact(_("Version"), found.model_version),
            Fact(found.measure, percent(found.value)),
        ]
