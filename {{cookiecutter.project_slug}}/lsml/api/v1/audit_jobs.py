"""/api/v1/audit-jobs: verifications and exports; start one, download its file."""

from datetime import datetime
from typing import Any

from django.http import FileResponse
from django_filters import rest_framework as django_filters
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.access import MayExport
from lsml.api.v1.filtering import OneOfFilter
from lsml.api.v1.jobs import JOB_FIELDS, JobViewSet, one_job
from lsml.api.v1.requests import ChoiceField, validated
from lsml.audit import jobs
from lsml.audit.formats import FORMATS
from lsml.audit.models import AuditJob
from lsml.observability.origin import requester


@extend_schema_serializer(
    examples=[
        one_job(
            kind="verify",
            since=None,
            until=None,
            file_format="",
            report={"intact": True, "rows": 1200, "seals": 30, "findings": []},
            file_key="",
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
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample("Verify everything", {"kind": "verify"}, request_only=True),
        OpenApiExample(
            "Export a month",
            {
                "kind": "export",
                "since": "2026-10-01T00:00:00Z",
                "until": "2026-11-01T00:00:00Z",
                "file_format": "csv",
            },
            request_only=True,
        ),
    ]
)
class StartAuditJobSerializer(serializers.Serializer[AuditJob]):
    """What to verify or export."""

    kind = ChoiceField(choices=AuditJob.Kind.choices)
    since = serializers.DateTimeField(
        default=None,
        allow_null=True,
        help_text="verify: seals made from then on, null = all; export: rows from then"
        " on",
    )
    until = serializers.DateTimeField(
        default=None, allow_null=True, help_text="export only: rows before then"
    )
    file_format = ChoiceField(choices=FORMATS, default="jsonl", help_text="export only")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check the time range: an export needs both ends, a verification has none."""
        since: datetime | None = attrs["since"]
        until: datetime | None = attrs["until"]
        if attrs["kind"] == AuditJob.Kind.VERIFY:
            if until:
                raise serializers.ValidationError(
                    {"until": "A verification has no end: leave out `until`."}
                )
        elif not (since and until):
            missing = "until" if since else "since"
            raise serializers.ValidationError(
                {missing: "An export needs `since` and `until`."}
            )
        elif until <= since:
            raise serializers.ValidationError(
                {"until": "`until` must be later than `since`."}
            )
        return attrs


class AuditJobFilterSet(django_filters.FilterSet):
    state = OneOfFilter(AuditJob.State.choices)
    kind = OneOfFilter(AuditJob.Kind.choices)


class AuditJobViewSet(JobViewSet[AuditJob]):
    """Verifications and exports: waiting, running and ended."""

    queryset = AuditJob.objects.defer("log")
    serializer_class = AuditJobSerializer
    filterset_class = AuditJobFilterSet
    may_change = MayExport

    @extend_schema(request=StartAuditJobSerializer, responses={201: AuditJobSerializer})
    def create(self, request: Request) -> Response:
        """Start a verification or an export."""
        values = validated(StartAuditJobSerializer, request)
        if values.pop("kind") == AuditJob.Kind.VERIFY:
            job = jobs.start_verification(since=values["since"], **requester(request))
        else:
            job = jobs.start_export(**values, **requester(request))
        return Response(self.get_serializer(job).data, status=201)

    @extend_schema(responses={(200, "application/zip"): bytes})
    @action(detail=True, permission_classes=[MayExport])
    def file(self, request: Request, pk: int) -> FileResponse:
        """Download the file of an export; the audit log records the download."""
        return jobs.download(self.get_object(), **requester(request))
