"""What resources of /api/v1/ share: lists that page or stream, rows, and reports."""

from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from lsml.api.v1.access import AUTHENTICATION, THROTTLES, MayExport, MayRead
from lsml.api.v1.filtering import StrictFilterBackend
from lsml.api.v1.openapi import OperatorSchema
from lsml.api.v1.pagination import KeyPagination, ordered
from lsml.api.v1.streaming import STREAMS, streamed
from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import requester
from lsml.registry.models import Project

_Row = TypeVar("_Row", bound=Model)


class AnyAccept(DefaultContentNegotiation):
    """Ignores the header `Accept`.

    The address decides between JSON, a stream and a file, and errors are JSON. By
    default a client that accepts only `text/csv` or `application/zip` would get 406.
    """

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class OperatorViewSet(ReadOnlyModelViewSet[_Row]):
    """A list, filtered, and paged or streamed as a whole; and its single rows.

    A subclass names `queryset`, `serializer_class` and `filterset_class`.
    """

    authentication_classes = AUTHENTICATION
    permission_classes: list[Any] = [MayRead]
    throttle_classes = THROTTLES
    content_negotiation_class = AnyAccept
    filter_backends = [StrictFilterBackend]
    pagination_class = KeyPagination
    lookup_value_converter = "int"
    schema = OperatorSchema()

    # Also returns a StreamingHttpResponse, which the base class does not allow for.
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        rows = self.filter_queryset(self.get_queryset())
        file_format = request.query_params.get("format", "json")
        if file_format in STREAMS:
            if not MayExport().has_permission(request, self):
                self.permission_denied(request, message=MayExport.message)
            self._record_export(request)
            return streamed(
                rows=ordered(rows, request),
                serializer=self.get_serializer_class(),
                name=self.basename,
                file_format=file_format,
            )
        if file_format != "json":
            raise ValidationError({"format": f"Use json, {' or '.join(STREAMS)}."})
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def get_object(self) -> _Row:
        """Return the row that the address names.

        Raises:
            NotFound: There is none: mistyped, or removed by retention.
        """
        rows, pk = self.get_queryset(), self.kwargs["pk"]
        row = rows.filter(pk=pk).first() if pk < 2**63 else None
        if row is None:
            raise NotFound(f"There is no {rows.model._meta.verbose_name} {pk}.")
        return row

    def _record_export(self, request: Request) -> None:
        record_entry(
            at=timezone.now(),
            verb=AuditEntry.Verb.LIST_EXPORTED,
            target=f"list {self.basename}",
            detail={"filters": request.query_params.urlencode()},
            **requester(request),
        )


class ProjectReportView(APIView):
    """A report on a project, made for each request."""

    authentication_classes = AUTHENTICATION
    permission_classes = [MayRead]
    throttle_classes = THROTTLES
    content_negotiation_class = AnyAccept

    def project(self) -> Project:
        """Return the project that the address names.

        Raises:
            NotFound: There is none.
        """
        pk = self.kwargs["project_pk"]
        projects = Project.objects.select_related("active_version")
        found = projects.filter(pk=pk).first()
        if found is None:
            raise NotFound(f"There is no project {pk}.")
        return found
