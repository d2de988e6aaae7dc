"""Projects, versions, promotions and model state."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from lsml.console.admin.base import PROJECT_COLUMNS, Fact, ReadOnlyAdmin
from lsml.console.links import link_to
from lsml.console.lists.filters import ProjectFilter, TimeFilter, choice_filter
from lsml.console.numbers import readable
from lsml.console.pages.metrics import plain
from lsml.console.pages.project import project_context
from lsml.console.pages.version import version_context
from lsml.console.templatetags.console import badge, held_out, moment, why
from lsml.registry.models import ModelVersion, Project, Promotion, StateItem
from lsml.training.models import InboxEntry


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    """The connected Label Studio projects."""

    detail_template = "console/project.html"
    list_display = ("name", "labelstudio_id", "serves", "training", "seen")
    list_columns = (
        "title",
        "labelstudio_id",
        "active_version__version",
        "training_paused",
        "training_mode",
        "created_at",
    )
    search_fields = ("title",)
    search_help_text = _("Title")
    empty_hint = _(
        "No project yet. Connect a Label Studio project to this backend, with its"
        " address and your access token:"
    )

    @admin.display(description=_("Project"))
    def name(self, row: Project) -> str:
        return str(row)

    @admin.display(description=_("Serves"))
    def serves(self, row: Project) -> str:
        return badge(row.served_version)

    @admin.display(description=_("Training"))
    def training(self, row: Project) -> Any:
        return badge("paused") if row.training_paused else row.training_mode

    @admin.display(description=_("Connected"))
    def seen(self, row: Project) -> str:
        return moment(row.created_at)

    def get_queryset(self, request: HttpRequest) -> Any:
        joined = ("active_version", "following")
        entries = InboxEntry.objects.filter(project=OuterRef("pk")).values("project")
        waiting = Subquery(entries.annotate(number=Count("pk")).values("number"))
        projects = super().get_queryset(request).select_related(*joined)
        return projects.annotate(
            waiting=Coalesce(waiting, 0), shadow_name=F("shadow_version__version")
        )

    def facts(self, found: Project) -> list[Fact]:
        return [
            Fact(_("Label Studio project"), found.key),
            Fact(_("Label Studio"), found.hostname or "–"),
            Fact(_("Connected"), moment(found.created_at)),
        ]

    def detail(self, request: HttpRequest, found: Project) -> dict[str, Any]:
        return project_context(request, found)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Versions of the model."""

    detail_template = "console/version.html"
    list_display = (
        "version",
        "project",
        "state_",
        "headline",
        "annotations",
        "held_out_",
        "created",
    )
    list_columns = (
        "version",
        *PROJECT_COLUMNS,
        "project__active_version",
        "state",
        "metrics",
        "annotation_count",
        "held_out_tasks",
        "created_at",
    )
    list_filter = (
        ProjectFilter,
        choice_filter("state", _("State"), ModelVersion.State.choices),
    )
    search_fields = ("version",)
    search_help_text = _("Version")
    empty_hint = _("No version yet. The first training run that succeeds creates one.")

    @admin.display(description=_("State"))
    def state_(self, row: ModelVersion) -> str:
        serving = row.project.active_version_id == row.pk
        return badge("serving" if serving else row.state)

    @admin.display(description=_("Metrics"))
    def headline(self, row: ModelVersion) -> str:
        return plain_metrics(row.metrics)

    @admin.display(description=_("Annotations"))
    def annotations(self, row: ModelVersion) -> int:
        return row.annotation_count

    @admin.display(description=_("Held out"))
    def held_out_(self, row: ModelVersion) -> str:
        return held_out(row.held_out_tasks)

    @admin.display(description=_("Created"))
    def created(self, row: ModelVersion) -> str:
        return moment(row.created_at)

    def facts(self, found: ModelVersion) -> list[Fact]:
        run = getattr(found, "run", None)
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Created"), moment(found.created_at)),
            Fact(_("Training run"), link_to(run)),
            Fact(
                _("Parent"),
                link_to(found.parent, found.parent and found.parent.version),
            ),
            Fact(_("Annotations"), found.annotation_count),
            Fact(_("Held out"), held_out(found.held_out_tasks)),
            Fact(_("Artifact"), _artifact(found)),
            Fact(_("Code"), _code(found.code_revision)),
            Fact(_("Python"), found.python_version or "–"),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("project", "parent", "run")

    def detail(self, request: HttpRequest, found: ModelVersion) -> dict[str, Any]:
        return version_context(request, found)


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """Changes of the served version."""

    list_display = ("time", "project", "from_", "to", "actor", "reason_")
    list_columns = (
        "at",
        *PROJECT_COLUMNS,
        "from_version__version",
        "to_version__version",
        "actor",
        "reason",
        "overrides",
    )
    list_filter = (TimeFilter, ProjectFilter)
    empty_hint = _("No promotion yet.")

    @admin.display(description=_("Time"))
    def time(self, row: Promotion) -> str:
        return moment(row.at)

    @admin.display(description=_("From"))
    def from_(self, row: Promotion) -> Any:
        return row.from_version.version if row.from_version else _("untrained")

    @admin.display(description=_("To"))
    def to(self, row: Promotion) -> Any:
        return row.to_version.version if row.to_version else _("untrained")

    @admin.display(description=_("Reason"))
    def reason_(self, row: Promotion) -> str:
        return why(row)[:80]

    def get_queryset(self, request: HttpRequest) -> Any:
        joined = ("project", "from_version__project", "to_version__project")
        return super().get_queryset(request).select_related(*joined)

    def facts(self, found: Promotion) -> list[Fact]:
        return [
            Fact(_("Time"), moment(found.at)),
            Fact(_("Project"), link_to(found.project)),
            Fact(_("From"), link_to(found.from_version)),
            Fact(_("To"), link_to(found.to_version)),
            Fact(_("Actor"), found.actor),
            Fact(_("Reason"), found.reason or "–"),
            Fact(_("Against the promotion policy"), found.overrides or _("no")),
            Fact(_("Request"), _code(found.request_id)),
        ]


@admin.register(StateItem)
class StateItemAdmin(ReadOnlyAdmin):
    """Values that models stored with `self.set(key, value)`."""

    list_display = ("key", "project", "beginning", "updated_at")
    list_columns = ("key", *PROJECT_COLUMNS, "value", "updated_at")
    list_filter = (ProjectFilter,)
    empty_hint = _("Nothing here yet. A model stores values with self.set(key, value).")

    @admin.display(description=_("Value"))
    def beginning(self, row: StateItem) -> str:
        return row.value[:60]

    def facts(self, found: StateItem) -> list[Fact]:
        return [
            Fact(_("Project"), link_to(found.project)),
            Fact(_("Key"), found.key),
            Fact(_("Last written"), moment(found.updated_at)),
        ]

    def detail(self, request: HttpRequest, found: StateItem) -> dict[str, Any]:
        return {"json_title": _("Value"), "json": found.value}


def plain_metrics(metrics: dict[str, Any]) -> str:
    """Write the first numbers of a version's metrics, for a cell of a list."""
    numbers = [f"{name} {readable(value, 3)}" for name, value in plain(metrics).items()]
    return ", ".join(numbers[:3]) or "–"


def _code(text: str) -> Any:
    return format_html("<code>{}</code>", text) if text else "–"


def _artifact(version: ModelVersion) -> Any:
    if not version.artifact_key:
        return _("none")
    size = filesizeformat(version.artifact_bytes)
    return format_html("{} <code>sha256 {}</code>", size, version.artifact_sha256)
