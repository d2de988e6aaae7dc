"""Filters that several lists share, and how a query string is read."""

from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import rest_framework as django_filters
from django_filters.fields import IsoDateTimeField
from rest_framework.request import Request

from lsml.api.v1.requests import names, refuse_unknown
from lsml.audit.fields import first_id_at
from lsml.registry.models import Project

_OTHER_PARAMETERS: Final = {"limit", "after", "order", "format"}
_NOT_A_TIME: Final = (
    "Datetime has wrong format. Use one of these formats instead:"
    " YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)


class StrictFilterBackend(django_filters.DjangoFilterBackend):
    """Applies the filters of a list, and refuses unknown parameters."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        """Return the rows that match all filters.

        Raises:
            ValidationError: A value is wrong, or the list has no such filter.
        """
        known = view.filterset_class.base_filters
        sent = request.query_params.keys() - _OTHER_PARAMETERS
        refuse_unknown(sent, sorted(known), "filter")
        rows: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return rows


class IntegerFilter(django_filters.NumberFilter):
    """Takes a whole number; NumberFilter also takes decimals."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        errors = {"invalid": "A valid integer is required."}
        super().__init__(*args, error_messages=errors, **kwargs)


class OneOfFilter(django_filters.ChoiceFilter):
    """Takes one of the choices."""

    def __init__(self, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        words = names(value for value, _label in choices)
        refusal = f'"%(value)s" is not a valid choice. Use: {words}.'
        errors = {"invalid_choice": refusal}
        super().__init__(choices=choices, error_messages=errors, **kwargs)


class _TimeField(IsoDateTimeField):
    def to_python(self, value: Any) -> Any:
        """Return the time in UTC: PostgreSQL refuses offsets of 16 hours or more."""
        found = super().to_python(value)
        try:
            return found and found.astimezone(UTC)
        except OverflowError:
            raise ValidationError(self.error_messages["invalid"], "invalid") from None


class TimeFilter(django_filters.IsoDateTimeFilter):
    """Takes an ISO 8601 time; UTC if it has no zone."""

    field_class = _TimeField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages={"invalid": _NOT_A_TIME}, **kwargs)


class ProjectFilterSet(django_filters.FilterSet):
    """Filters rows that belong to a project."""

    # Audit rows have our key as a plain integer, other rows a foreign key.
    project_column = "project_id"

    project_pk = IntegerFilter(method="of_project", help_text="this service's key")
    labelstudio_id = IntegerFilter(
        method="of_labelstudio_id", help_text="Label Studio's ID of the project"
    )

    def of_project(self, rows: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        return rows.filter(**{self.project_column: value})

    def of_labelstudio_id(
        self, rows: QuerySet[Any], name: str, value: int
    ) -> QuerySet[Any]:
        return rows.filter(**{f"{self.project_column}__in": project_pks(value)})


def project_pks(labelstudio_id: int) -> list[int]:
    """Return the keys of all projects that had this ID; Label Studio reuses IDs.

    With a list of constants instead of a subquery, PostgreSQL uses the indexes by
    project.
    """
    projects = Project.objects.filter(labelstudio_id=labelstudio_id)
    return list(projects.values_list("pk", flat=True))


class AuditFilterSet(ProjectFilterSet):
    """Filters append-only rows.

    Their ID contains the time, so a time range uses the primary key. In a partitioned
    table it reads only the months that it touches.
    """

    project_column = "project_pk"

    since = TimeFilter(method="written_since", help_text="written since then")
    until = TimeFilter(method="written_before", help_text="written before this time")
    request_id = django_filters.CharFilter()

    def written_since(
        self, rows: QuerySet[Any], name: str, value: datetime
    ) -> QuerySet[Any]:
        return rows.filter(pk__gte=first_id_at(value))

    def written_before(
        self, rows: QuerySet[Any], name: str, value: datetime
    ) -> QuerySet[Any]:
        return rows.filter(pk__lt=first_id_at(value))
