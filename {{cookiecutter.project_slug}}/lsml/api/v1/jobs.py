"""What the three kinds of jobs share: their columns, cancelling and trying again."""

from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.access.roles import Permission, may
from lsml.api.v1.viewset import OperatorViewSet, ReasonSerializer, reason_of
from lsml.jobs import services
from lsml.jobs.models import Job
from lsml.observability.origin import Origin

_Job = TypeVar("_Job", bound=Job)

JOB_FIELDS = [
    "id",
    "state",
    "requested_by",
    "attempts",
    "created_at",
    "started_at",
    "finished_at",
    "progress",
    "done",
    "total",
    "message",
    "error",
    "cancel_requested_at",
    "cancel_requested_by",
    "cancel_reason",
]


class JobViewSet(OperatorViewSet[_Job]):
    """Jobs of one kind. A subclass names the permission that changing one takes."""

    needs: ClassVar[Permission]

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop a job: at once while it waits, within about a second while it runs."""
        self.demand(request)
        job = self.get_object()
        services.request_cancel(
            job,
            actor=request.user.get_username(),
            reason=reason_of(request),
            origin=Origin.from_request(request),
        )
        return Response(self.get_serializer(job).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        """Start a new job for what this one did not finish."""
        self.demand(request)
        fresh = services.retry(
            self.get_object(),
            actor=request.user.get_username(),
            origin=Origin.from_request(request),
        )
        return Response(self.get_serializer(fresh).data, status=201)

    def demand(self, request: Request) -> None:
        """Raise PermissionDenied unless this person may change such jobs."""
        if not may(request.user, self.needs):
            raise PermissionDenied

    def get_serializer_class(self) -> Any:
        """A job, also as the answer of its actions."""
        return self.serializer_class
