"""/api/v1/audit-jobs: verifications and exports; start one, fetch an export's file."""

from datetime import datetime
from typing import Any

from django.http import FileResponse
from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.filtering import OneOfFilter
from lsml.api.v1.jobs import JOB_FIELDS, JobViewSet
from lsml.api.v1.viewset import one_row
from lsml.audit import jobs
from lsml.audit.formats import FORMATS
from lsml.audit.models import AuditJob
from lsml.observability.origin import Origin


@extend_schema_serializer(
    examples=[
        one_row(
            id=4,
            kind="verify",
            state="succeeded",
            requested_by="ada",
            progress=1.0,
            report={"intact": True, "rows": 1200, "seals": 30, "findings": []},
        )
    ]
)
class AuditJobSerializer(serializers.ModelSerializer[AuditJob]):
    class Meta:
        model = AuditJob
        fields = [
            *JOB_FIELDS,
            "kind",
            "since",
            "until",
            "file_format",
            "report",
            "file_key",
            "log",
        ]


class StartAuditJobSerializer(serializers.Serializer[AuditJob]):
    """What to verify or export."""

    kind = serializers.ChoiceField(choices=AuditJob.Kind.choices)
    since = serializers.DateTimeField(default=None)
    until = serializers.DateTimeField(default=None)
    file_format = serializers.ChoiceField(choices=FORMATS, default="jsonl")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An export needs both ends of its range, in order."""
        since: datetime | None = attrs["since"]
        until: datetime | None = attrs["until"]
        if attrs["kind"] == AuditJob.Kind.EXPORT and not (since and until):
            raise serializers.ValidationError("An export needs `since` and `until`.")
        if since and until and until < since:
            raise serializers.ValidationError("`until` is before `since`.")
        return attrs


class AuditJobFilterSet(django_filters.FilterSet):
    state = OneOfFilter(AuditJob.State.choices)
    kind = OneOfFilter(AuditJob.Kind.choices)


class AuditJobViewSet(JobViewSet[AuditJob]):
    """Verifications and exports: waiting, running and ended."""

    queryset = AuditJob.objects.all()
    serializer_class = AuditJobSerializer
    filterset_class = AuditJobFilterSet
    needs = "export"

    @extend_schema(request=StartAuditJobSerializer, responses={201: AuditJobSerializer})
    def create(self, request: Request) -> Response:
        """Start a verification or an export."""
        self.demand(request)
        body = StartAuditJobSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        who: dict[str, Any] = {
            "actor": request.user.get_username(),
            "origin": Origin.from_request(request),
        }
        if wanted["kind"] == AuditJob.Kind.VERIFY:
            job = jobs.start_verification(since=wanted["since"], **who)
        else:
            job = jobs.start_export(
                since=wanted["since"],
                until=wanted["until"],
                file_format=wanted["file_format"],
                **who,
            )
        return Response(self.get_serializer(job).data, status=201)

    @extend_schema(responses={(200, "application/zip"): bytes})
    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: int) -> FileResponse:
        """Download the file of an export; the download is recorded."""
        self.demand(request)
        job = self.get_object()
        try:
            return jobs.download(
                job,
                actor=request.user.get_username(),
                origin=Origin.from_request(request),
            )
        except jobs.FileGone as error:
            raise NotFound(str(error)) from error
