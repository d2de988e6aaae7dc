"""Filters of the lists: what several of them share, and how a query string is read."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.db.models import QuerySet
from django_filters import rest_framework as django_filters
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from lsml.audit.fields import first_id_at
from lsml.registry.models import Project

_OTHER_PARAMETERS: Final = {"limit", "after", "order", "format"}
_NOT_A_TIME: Final = (
    "Datetime has wrong format. Use one of these formats instead:"
    " YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)


class StrictFilterBackend(django_filters.DjangoFilterBackend):
    """Applies the filters of a list; an unknown parameter is refused, not ignored."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        """The rows that agree with all filters.

        Raises:
            ValidationError: a value is wrong, or the list has no such filter.
        """
        known = view.filterset_class.base_filters
        if unknown := request.query_params.keys() - known - _OTHER_PARAMETERS:
            names = ", ".join(sorted(known))
            sentence = f"No filter of this list. There are: {names}"
            raise ValidationError({min(unknown): sentence})
        rows: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return rows


class IntegerFilter(django_filters.NumberFilter):
    """A whole number; NumberFilter alone reads decimals."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        errors = {"invalid": "A valid integer is required."}
        super().__init__(*args, error_messages=errors, **kwargs)


class OneOfFilter(django_filters.ChoiceFilter):
    """One of the choices given."""

    def __init__(self, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        errors = {"invalid_choice": '"%(value)s" is not a valid choice.'}
        super().__init__(choices=choices, error_messages=errors, **kwargs)


class TimeFilter(django_filters.IsoDateTimeFilter):
    """A moment, ISO 8601; UTC where it names no zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages={"invalid": _NOT_A_TIME}, **kwargs)


class ProjectFilterSet(django_filters.FilterSet):
    """For rows that belong to a project."""

    project_id = IntegerFilter(method="of_project", help_text="our own key")
    labelstudio_id = IntegerFilter(
        method="of_labelstudio_id", help_text="Label Studio's id of the project"
    )

    def of_project(self, rows: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        return rows.filter(project_id=value)

    def of_labelstudio_id(
        self, rows: QuerySet[Any], name: str, value: int
    ) -> QuerySet[Any]:
        return rows.filter(project_id__in=project_pks(value))


def project_pks(labelstudio_id: int) -> list[int]:
    """Our keys of all projects that had this id: Label Studio reuses them.

    A list and no subquery: with constants PostgreSQL uses the indexes by project.
    """
    projects = Project.objects.filter(labelstudio_id=labelstudio_id)
    return list(projects.values_list("pk", flat=True))


class AuditFilterSet(ProjectFilterSet):
    """For append-only rows. Their id holds the time, so no other index is needed.

    A time range of a partitioned table reads only the months it touches.
    """

    since = TimeFilter(method="written_since", help_text="written from then on")
    until = TimeFilter(method="written_before", help_text="written before then")
    request_id = django_filters.CharFilter()

    def written_since(
        self, rows: QuerySet[Any], name: str, value: datetime
    ) -> QuerySet[Any]:
        return rows.filter(pk__gte=first_id_at(value))

    def written_before(
        self, rows: QuerySet[Any], name: str, value: datetime
    ) -> QuerySet[Any]:
        return rows.filter(pk__lt=first_id_at(value))
