"""Filters of the lists; each uses an index or the order of the key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from lsml.audit.fields import first_id_at
from lsml.audit.models import PredictionQuerySet
from lsml.console.numbers import whole_number
from lsml.registry.models import ModelVersion, Project

_PROJECTS_MAX = 200  # more do not fit into a menu; the address accepts any project
_SPANS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


class TimeFilter(SimpleListFilter):
    """Rows of the last hours or days, found by their time-ordered ID."""

    title = _("Time")
    parameter_name = "last"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, Any]]:
        return [
            ("1h", _("Last hour")),
            ("24h", _("Last 24 hours")),
            ("7d", _("Last 7 days")),
            ("30d", _("Last 30 days")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> QuerySet[Model]:
        span = _SPANS.get(self.value() or "")
        if span is None:
            return queryset
        return queryset.filter(pk__gte=first_id_at(timezone.now() - span))


class ProjectFilter(SimpleListFilter):
    """Rows of one project, for models with a foreign key to it."""

    title = _("Project")
    parameter_name = "project"
    field = "project_id"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, Any]]:
        projects = Project.objects.only("title", "labelstudio_id").order_by("-pk")
        return [(str(each.pk), str(each)) for each in projects[:_PROJECTS_MAX]]

    def has_output(self) -> bool:
        return True

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> QuerySet[Model]:
        project = whole_number(self.value() or "")
        if project is None:
            return queryset
        return queryset.filter(**{self.field: project})


class ProjectPkFilter(ProjectFilter):
    """Rows of one project, for audit rows, which carry its key as a plain integer."""

    field = "project_pk"


class VersionFilter(SimpleListFilter):
    """Predictions of one version, offered once a project is chosen.

    The index holds both columns, the project first.
    """

    title = _("Version")
    parameter_name = "version"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, Any]]:
        project = whole_number(request.GET.get(ProjectFilter.parameter_name, ""))
        if project is None:
            return []
        names = ModelVersion.objects.filter(project_id=project).order_by("-pk")
        return [(name, name) for name in names.values_list("version", flat=True)[:50]]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> QuerySet[Model]:
        version = self.value()
        return queryset.filter(model_version=version) if version else queryset


class WithheldFilter(SimpleListFilter):
    """Predictions that were recorded, but not shown to annotators."""

    title = _("Shown")
    parameter_name = "withheld"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, Any]]:
        return [("1", _("Not shown"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> QuerySet[Model]:
        return queryset.filter(withheld=True) if self.value() == "1" else queryset


def choice_filter(
    field: str, title: Any, choices: Iterable[tuple[str, Any]]
) -> type[SimpleListFilter]:
    """Return a filter by one of the values of `field`."""
    offered = list(choices)

    class ChoiceFilter(SimpleListFilter):
        parameter_name = field

        def lookups(
            self, request: HttpRequest, model_admin: ModelAdmin[Any]
        ) -> Iterable[tuple[str, Any]]:
            return offered

        def queryset(
            self, request: HttpRequest, queryset: QuerySet[Model]
        ) -> QuerySet[Model]:
            value = self.value()
            return queryset.filter(**{field: value}) if value else queryset

    ChoiceFilter.title = title
    return ChoiceFilter


def fact_filter(
    field: str, title: Any, choices: Iterable[tuple[str, Any]]
) -> type[SimpleListFilter]:
    """Return a filter of predictions by a value that may be rare or not occur."""

    class FactFilter(choice_filter(field, title, choices)):  # type: ignore[misc]
        def queryset(
            self, request: HttpRequest, queryset: PredictionQuerySet
        ) -> PredictionQuerySet:
            value = self.value()
            return queryset.with_facts(**{field: value}) if value else queryset

    return FactFilter
