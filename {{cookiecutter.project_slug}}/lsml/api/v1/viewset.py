"""What all resources of /api/v1/ share: lists that page or stream, and single rows."""

from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from lsml.api.v1.access import (
    AUTHENTICATION,
    THROTTLES,
    MayRead,
    demand_export,
)
from lsml.api.v1.filtering import StrictFilterBackend
from lsml.api.v1.pagination import KeyPagination, ordered
from lsml.api.v1.streaming import STREAMS, streamed
from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin

_Row = TypeVar("_Row", bound=Model)


class OperatorSchema(AutoSchema):
    """How lists and single rows appear in the OpenAPI document."""

    def get_tags(self) -> list[str]:
        return ["operators"]

    def get_operation_id(self) -> str:
        view: Any = self.view  # an OperatorViewSet
        kind = {"list": "list", "retrieve": "one"}.get(view.action)
        if kind is None:
            return super().get_operation_id()
        name = view.get_serializer_class().__name__.removesuffix("Serializer")
        return f"{name.lower()}_{kind}"

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def get_override_parameters(self) -> list[Any]:
        if getattr(self.view, "action", "") != "list":
            return []
        description = "csv and jsonl stream all rows; they need the right to export."
        formats = ["json", *STREAMS]
        return [OpenApiParameter("format", str, enum=formats, description=description)]


class OperatorViewSet(ReadOnlyModelViewSet[_Row]):
    """A list, filtered, and paged or streamed as a whole; and its single rows.

    A subclass names `queryset`, `serializer_class` and `filterset_class`.
    """

    authentication_classes = AUTHENTICATION
    permission_classes: list[Any] = [MayRead]
    throttle_classes = THROTTLES
    filter_backends = [StrictFilterBackend]
    pagination_class = KeyPagination
    lookup_value_converter = "int"
    schema = OperatorSchema()

    # Returns a StreamingHttpResponse, too, which the base class does not allow for.
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        rows = self.filter_queryset(self.get_queryset())
        file_format = request.query_params.get("format", "json")
        if file_format in STREAMS:
            demand_export(request)
            self._record_export(request)
            return streamed(
                rows=ordered(rows, request),
                serializer=self.get_serializer_class(),
                name=self.basename,
                file_format=file_format,
            )
        if file_format != "json":
            raise ValidationError({"format": f"json, {' or '.join(STREAMS)}"})
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def get_object(self) -> _Row:
        """The row that the address names.

        Raises:
            NotFound: there is none: mistyped, or removed by retention.
        """
        rows, pk = self.get_queryset(), self.kwargs["pk"]
        row = rows.filter(pk=pk).first() if pk < 2**63 else None
        if row is None:
            raise NotFound(f"There is no {rows.model._meta.verbose_name} {pk}.")
        return row

    def _record_export(self, request: Request) -> None:
        record_entry(
            origin=Origin.from_request(request),
            at=timezone.now(),
            actor=request.user.get_username(),
            verb=AuditEntry.Verb.LIST_EXPORTED,
            target=f"list {self.basename}",
            detail={"filters": request.query_params.urlencode()},
        )


class ReasonSerializer(serializers.Serializer[Any]):
    """Why a person did it; kept in the audit trail."""

    reason = serializers.CharField(max_length=2_000)


def reason_of(request: Request) -> str:
    """The reason that the body of a request gives.

    Raises:
        ValidationError: it gives none, or a very long one.
    """
    body = ReasonSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    reason: str = body.validated_data["reason"]
    return reason


def one_row(**columns: Any) -> OpenApiExample:
    """An example of a resource; the document wraps it into a page for the list."""
    return OpenApiExample("One row", columns, response_only=True)
