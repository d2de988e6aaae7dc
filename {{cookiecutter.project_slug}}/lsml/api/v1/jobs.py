"""What all kinds of jobs share: columns, log, cancelling and retrying."""

from typing import Any, ClassVar, Final, TypeVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.openapi import OperatorSchema, one_row
from lsml.api.v1.requests import (
    NothingSerializer,
    ReasonSerializer,
    reason_of,
    validated,
)
from lsml.api.v1.viewset import OperatorViewSet
from lsml.jobs import services
from lsml.jobs.models import Job
from lsml.observability.origin import requester

_Job = TypeVar("_Job", bound=Job)

_EXAMPLE: Final = {
    "id": 5,
    "state": "succeeded",
    "requested_by": "ana",
    "attempts": 1,
    "created_at": "2026-11-23T13:01:00Z",
    "started_at": "2026-11-23T13:01:01Z",
    "finished_at": "2026-11-23T13:02:00Z",
    "progress": 1.0,
    "done": 100,
    "total": 100,
    "message": "",
    "error": "",
    "cancel_requested_at": None,
    "cancel_requested_by": "",
    "cancel_reason": "",
}
JOB_FIELDS: Final = list(_EXAMPLE)  # without the log, which may be long


def one_job(**columns: Any) -> OpenApiExample:
    """Return an example of a job; `columns` are those of its kind."""
    return one_row(**_EXAMPLE | columns)


class JobSchema(OperatorSchema):
    """Documents that a retry creates a job."""

    def get_response_serializers(self) -> Any:
        job = super().get_response_serializers()
        view: Any = self.view  # a JobViewSet
        return {201: job} if view.action == "retry" else job


class JobViewSet(OperatorViewSet[_Job]):
    """Jobs of one kind; a subclass names who may start, cancel and retry them."""

    may_change: ClassVar[type[BasePermission]]
    schema = JobSchema()

    def get_permissions(self) -> list[Any]:
        if self.action in {"create", "cancel", "retry"}:
            return [self.may_change()]
        return [*super().get_permissions()]

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop a job: at once while it waits, within about a second while it runs."""
        job = self.get_object()
        services.request_cancel(job, reason=reason_of(request), **requester(request))
        return Response(self.get_serializer(job).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        """Start a new job that does what this one did not finish."""
        job = self.get_object()
        validated(NothingSerializer, request)
        new = services.retry(job, **requester(request))
        return Response(self.get_serializer(new).data, status=201)

    @extend_schema(responses={(200, "text/plain"): str})
    @action(detail=True)
    def log(self, request: Request, pk: int) -> HttpResponse:
        """Read what the job printed, at most the last 65,536 characters."""
        log = self.get_object().log
        return HttpResponse(log, content_type="text/plain; charset=utf-8")
