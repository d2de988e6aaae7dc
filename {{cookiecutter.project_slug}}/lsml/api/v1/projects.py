"""/api/v1/projects: what each project serves, its policy, the order of its tasks."""

from typing import Any

from django.core.exceptions import ValidationError as Invalid
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.access import MayOperate
from lsml.api.v1.filtering import ProjectFilterSet
from lsml.api.v1.openapi import one_row
from lsml.api.v1.requests import ChoiceField, validated
from lsml.api.v1.viewset import OperatorViewSet
from lsml.observability.origin import requester
from lsml.registry.models import Project
from lsml.registry.policy import POLICY_FIELDS, change_policy


@extend_schema_serializer(
    examples=[
        one_row(
            id=1,
            labelstudio_id=7,
            title="Support mail",
            served_version="v3",
            predict_on_promotion="unlabelled",
            sampling="uncertainty",
            ordered_by="v3",
            ordered_since="2026-11-23T13:02:00Z",
            order_problem="",
        )
    ]
)
class ProjectSerializer(serializers.ModelSerializer[Project]):
    served_version = serializers.CharField(read_only=True)
    ordered_by = serializers.SerializerMethodField(
        help_text="Label Studio orders tasks by this version's scores; empty: by none"
    )
    ordered_since = serializers.DateTimeField(
        source="following.since", default=None, read_only=True
    )
    order_problem = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = [
            "id",
            "labelstudio_id",
            "title",
            "served_version",
            "archived_at",
            *POLICY_FIELDS,
            "ordered_by",
            "ordered_since",
            "order_problem",
        ]

    def get_ordered_by(self, project: Project) -> str:
        return project.following.version if hasattr(project, "following") else ""

    def get_order_problem(self, project: Project) -> str:
        return project.following.problem if hasattr(project, "following") else ""


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Predict after each promotion",
            {"predict_on_promotion": "unlabelled", "reason": "new project"},
            request_only=True,
        )
    ]
)
class PolicySerializer(serializers.ModelSerializer[Project]):
    """What to change of the policy, and why; the rest stays."""

    serializer_choice_field = ChoiceField
    reason = serializers.CharField(max_length=2_000)

    class Meta:
        model = Project
        fields = [*POLICY_FIELDS, "reason"]


class OneProjectFilterSet(ProjectFilterSet):
    project_column = "pk"


class ProjectViewSet(OperatorViewSet[Project]):
    """Projects, with their policies."""

    queryset = Project.objects.select_related("active_version", "following")
    serializer_class = ProjectSerializer
    filterset_class = OneProjectFilterSet

    @extend_schema(request=PolicySerializer, responses=ProjectSerializer)
    @action(detail=True, methods=["post"], permission_classes=[MayOperate])
    def policy(self, request: Request, pk: int) -> Response:
        """Change how the project is trained, and what follows a promotion."""
        project = self.get_object()
        changes: dict[str, Any] = validated(PolicySerializer, request)
        reason = changes.pop("reason")
        try:
            change_policy(
                project=project, changes=changes, reason=reason, **requester(request)
            )
        except Invalid as refused:
            raise ValidationError({"policy": " ".join(refused.messages)}) from None
        return Response(self.get_serializer(project).data)
