"""/api/v1/projects/<project_pk>/suspicious-annotations: those that may be wrong."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.access import MayOperate
from lsml.api.v1.openapi import errors
from lsml.api.v1.requests import validated, validated_query
from lsml.api.v1.viewset import ProjectReportView
from lsml.observability.origin import requester
from lsml.quality.budget import one_report
from lsml.quality.suspicious.confirming import confirm_annotation
from lsml.quality.suspicious.services import (
    LISTED_MAX,
    Report,
    Suspicious,
    suspicious_annotations,
)


class SuspiciousQuerySerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(
        min_value=1, max_value=LISTED_MAX, default=50, help_text="how many to list"
    )


class SuspiciousSerializer(serializers.Serializer[Suspicious]):
    """A suspicious annotation."""

    task_id = serializers.IntegerField(help_text="Label Studio's ID")
    annotation_id = serializers.IntegerField(help_text="Label Studio's ID")
    updated_at = serializers.DateTimeField(help_text="of the annotation's state")
    completed_by = serializers.IntegerField(
        allow_null=True, help_text="Label Studio's ID of the annotator"
    )
    prediction_id = serializers.IntegerField(
        allow_null=True, help_text="see /api/v1/predictions; null = cross-validation"
    )
    model_version = serializers.CharField(help_text="that contradicts")
    quality = serializers.FloatField(
        help_text="0 to 1: how probable the model finds the annotation"
    )
    confident = serializers.BooleanField(
        help_text="the model contradicts as surely as it usually answers"
    )
    reason = serializers.CharField(help_text="A sentence for a person.")
    address = serializers.CharField(
        help_text="the task's page in Label Studio; empty if its address is not known"
    )


class SuspiciousReportSerializer(serializers.Serializer[Report]):
    """The most suspicious annotations first, and how many could be checked."""

    annotations = serializers.IntegerField(help_text="of the project")
    examined = serializers.IntegerField(help_text="the newest")
    checked = serializers.IntegerField()
    without_prediction = serializers.IntegerField(
        help_text="neither cross-validated nor predicted by a version not trained on"
        " them"
    )
    not_comparable = serializers.IntegerField(
        help_text="no single choice, span or box with a score above chance"
    )
    suspicious = serializers.IntegerField(help_text="all, listed or not")
    confident = serializers.IntegerField(help_text="of the suspicious")
    confirmed = serializers.IntegerField(
        help_text="not listed: people found them right"
    )
    coverage = serializers.CharField(help_text="These numbers as a sentence.")
    results = SuspiciousSerializer(many=True)


class ConfirmationSerializer(serializers.Serializer[Any]):
    """Which state of the annotation a person found right."""

    updated_at = serializers.DateTimeField(help_text="as in the report")


class SuspiciousAnnotationsView(ProjectReportView):
    """List annotations that a model not trained on their task finds improbable."""

    @extend_schema(
        parameters=[SuspiciousQuerySerializer],
        responses={
            200: SuspiciousReportSerializer,
            **errors(400, 401, 403, 404, 429, 503),
        },
        tags=["operators"],
    )
    def get(self, request: Request, project_pk: int) -> Response:
        """Report the annotations of a project that may be wrong, and the coverage."""
        wanted = validated_query(SuspiciousQuerySerializer, request)
        project = self.project()
        with one_report() as budget:
            report = suspicious_annotations(
                project=project, limit=wanted["limit"], budget=budget
            )
        return Response(SuspiciousReportSerializer(report).data)


class ConfirmAnnotationView(ProjectReportView):
    """Confirm an annotation that a person looked at."""

    permission_classes = [MayOperate]

    @extend_schema(
        request=ConfirmationSerializer,
        responses={204: None, **errors(400, 401, 403, 404, 409, 413, 415, 429, 503)},
        tags=["operators"],
    )
    def post(self, request: Request, project_pk: int, annotation_id: int) -> Response:
        """Keep an annotation off the list until it changes: it is right."""
        confirm_annotation(
            project=self.project(),
            annotation_id=annotation_id,
            updated_at=validated(ConfirmationSerializer, request)["updated_at"],
            **requester(request),
        )
        return Response(status=204)
