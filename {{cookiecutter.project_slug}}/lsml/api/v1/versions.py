"""/api/v1/versions: model versions and their origins; promote one, or try it."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, IntegerField, ModelSerializer

from lsml.api.v1.access import MayOperate
from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.openapi import one_row
from lsml.api.v1.promotions import PromotionSerializer
from lsml.api.v1.requests import ReasonSerializer, reason_of, validated
from lsml.api.v1.viewset import OperatorViewSet
from lsml.inference.promotion import promote_loaded
from lsml.observability.origin import requester
from lsml.registry.models import ModelVersion, Project
from lsml.registry.shadow import start_shadow, stop_shadow


@extend_schema_serializer(
    examples=[
        one_row(
            id=3,
            project_pk=1,
            number=3,
            version="v3",
            state="ready",
            parent_version="v2",
            metrics={"accuracy": 0.91},
            annotation_count=212,
            held_out_tasks=37,
        )
    ]
)
class VersionSerializer(ModelSerializer[ModelVersion]):
    project_pk = IntegerField(source="project_id", read_only=True)
    parent_version = CharField(source="parent.version", default=None)

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "project_pk",
            "number",
            "version",
            "state",
            "parent_version",
            "artifact_key",
            "artifact_sha256",
            "artifact_bytes",
            "metrics",
            "snapshot_digest",
            "annotation_count",
            "held_out_tasks",
            "label_config_digest",
            "missing_labels",
            "code_revision",
            "python_version",
            "packages",
            "notes",
            "load_error",
            "created_at",
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A fifth of the tasks",
            {"percent": 20, "reason": "before promoting it"},
            request_only=True,
        )
    ]
)
class StartShadowSerializer(ReasonSerializer):
    """The share of the live tasks, and why."""

    percent = IntegerField(
        min_value=1,
        max_value=100,
        required=False,
        help_text="without it, the project's `shadow_percent`",
    )


class ShadowSerializer(ModelSerializer[Project]):
    """What is in shadow of a project's served version."""

    project_pk = IntegerField(source="pk")
    version = CharField(source="shadow_version.version", allow_null=True, default=None)
    percent = IntegerField(source="shadow_percent")

    class Meta:
        model = Project
        fields = ["project_pk", "version", "percent"]


class VersionFilterSet(ProjectFilterSet):
    version = django_filters.CharFilter()
    state = OneOfFilter(ModelVersion.State.choices)


class VersionViewSet(OperatorViewSet[ModelVersion]):
    """Model versions, with the data, code and packages they were trained with."""

    queryset = ModelVersion.objects.select_related("parent")
    serializer_class = VersionSerializer
    filterset_class = VersionFilterSet

    @extend_schema(responses=PromotionSerializer)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[MayOperate],
        serializer_class=ReasonSerializer,
    )
    def promote(self, request: Request, pk: int) -> Response:
        """Serve this version from the next request on."""
        version = self.get_object()
        promotion = promote_loaded(
            project=version.project,
            version=version,
            reason=reason_of(request),
            **requester(request),
        )
        return Response(PromotionSerializer(promotion).data)

    @extend_schema(request=StartShadowSerializer, responses=ShadowSerializer)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[MayOperate],
        serializer_class=StartShadowSerializer,
    )
    def shadow(self, request: Request, pk: int) -> Response:
        """Let this version predict a share of the live tasks, in the background."""
        wanted = validated(StartShadowSerializer, request)
        project = start_shadow(
            version=self.get_object(), **wanted, **requester(request)
        )
        return Response(ShadowSerializer(project).data)

    @extend_schema(responses=ShadowSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path="stop-shadow",
        permission_classes=[MayOperate],
        serializer_class=ReasonSerializer,
    )
    def stop_shadow(self, request: Request, pk: int) -> Response:
        """Let this version no longer predict in the background."""
        project = stop_shadow(
            version=self.get_object(), reason=reason_of(request), **requester(request)
        )
        return Response(ShadowSerializer(project).data)
