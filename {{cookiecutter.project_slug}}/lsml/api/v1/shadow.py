"""/api/v1/projects/<project_pk>/shadow: the version in shadow beside the served one."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.openapi import errors
from lsml.api.v1.viewset import ProjectReportView
from lsml.quality.budget import one_report
from lsml.quality.shadow import ShadowReport, shadow_report


class ShadowReportSerializer(serializers.Serializer[Any]):
    """What the version did, and how it compares with the served one."""

    version = serializers.CharField()
    compared_with = serializers.CharField(help_text="the served version")
    percent = serializers.IntegerField(help_text="the share of the live tasks")
    predicted = serializers.IntegerField(help_text="tasks, with those that failed")
    failed = serializers.IntegerField(help_text="of these")
    waiting = serializers.IntegerField(help_text="tasks that it will predict")
    unknown = serializers.IntegerField(
        help_text="tasks that are not in the dataset, so it cannot predict them"
    )
    dropped = serializers.IntegerField(
        help_text="how often a task was left out because too many waited"
    )
    compared = serializers.IntegerField(
        help_text="tasks annotated after the served version's prediction"
    )
    passes = serializers.BooleanField(
        allow_null=True, help_text="by the promotion policy; null = too few tasks"
    )
    verdict = serializers.CharField(help_text="A sentence for a person.")
    figures = serializers.JSONField(help_text="as `report` of an evaluation")


class ShadowView(ProjectReportView):
    """Compare the version in shadow with the served one."""

    @extend_schema(
        responses={200: ShadowReportSerializer, **errors(401, 403, 404, 429, 503)},
        tags=["operators"],
    )
    def get(self, request: Request, project_pk: int) -> Response:
        """Compare both on the tasks that were annotated since."""
        project = self.project()
        with one_report() as budget:
            found: ShadowReport | None = shadow_report(project, budget=budget)
        if found is None:
            raise NotFound("No version of this project is in shadow.")
        return Response(ShadowReportSerializer(found).data)
