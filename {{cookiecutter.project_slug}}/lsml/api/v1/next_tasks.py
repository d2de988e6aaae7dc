"""/api/v1/projects/<project_pk>/next: the tasks of a project to label next."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.openapi import errors
from lsml.api.v1.requests import ChoiceField, validated_query
from lsml.api.v1.viewset import ProjectReportView
from lsml.observability.origin import Origin
from lsml.quality.budget import one_report
from lsml.quality.next.services import LISTED_MAX, NextTasks, Strategy, next_tasks


class NextQuerySerializer(serializers.Serializer[Any]):
    """How many tasks, chosen in which way."""

    strategy = ChoiceField(Strategy.choices, default=Strategy.UNCERTAINTY.value)
    limit = serializers.IntegerField(min_value=1, max_value=LISTED_MAX, default=50)


class NextTaskSerializer(serializers.Serializer[Any]):
    task_id = serializers.IntegerField(help_text="Label Studio's ID")
    reason = serializers.CharField()
    address = serializers.CharField(
        help_text="the task's page in Label Studio; empty if its address is not known"
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two tasks",
            {
                "results": [
                    {
                        "task_id": 101,
                        "reason": "score 0.02 by v3",
                        "address": "https://labels.example.com/projects/7/data?task=101",
                    },
                    {
                        "task_id": 97,
                        "reason": "score 0.11 by v3",
                        "address": "https://labels.example.com/projects/7/data?task=97",
                    },
                ],
                "notes": [],
            },
            response_only=True,
        )
    ]
)
class NextTasksSerializer(serializers.Serializer[NextTasks]):
    """Unlabelled tasks, best first."""

    results = NextTaskSerializer(many=True)
    notes = serializers.ListField(
        child=serializers.CharField(),
        help_text="how the list was made and what limits it, as sentences",
    )


class NextTasksView(ProjectReportView):
    """The tasks of a project to label next."""

    @extend_schema(
        parameters=[NextQuerySerializer],
        responses={
            200: NextTasksSerializer,
            **errors(400, 401, 403, 404, 429, 503),
        },
        tags=["operators"],
    )
    def get(self, request: Request, project_pk: int) -> Response:
        """Rank the unlabelled tasks of a project, each with the reason."""
        wanted = validated_query(NextQuerySerializer, request)
        project = self.project()
        with one_report() as budget:
            found = next_tasks(
                project=project,
                limit=wanted["limit"],
                origin=Origin.from_request(request),
                strategy=Strategy(wanted["strategy"]),
                budget=budget,
            )
        return Response(NextTasksSerializer(found).data)
