"""/api/v1/promotions: when which version began to be served."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import CharField, IntegerField, ModelSerializer

from lsml.api.v1.filtering import AuditFilterSet
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.registry.models import Promotion


@extend_schema_serializer(
    examples=[
        one_row(
            id=7354117705210000,
            project_pk=1,
            from_version="v2",
            to_version="v3",
            at="2026-11-23T13:02:00Z",
            actor="policy",
            reason="0.93 → 0.96 on 31 held-out tasks",
            overrides="",
            request_id="6f1f0a3c5d5b4b9e8a7c1d2e3f405162",
        )
    ]
)
class PromotionSerializer(ModelSerializer[Promotion]):
    project_pk = IntegerField(source="project_id", read_only=True)
    from_version = CharField(
        source="from_version.version", default=None, read_only=True
    )
    to_version = CharField(source="to_version.version", default=None, read_only=True)
    overrides = CharField(
        read_only=True,
        help_text="Why the promotion policy had held the version back, if it had",
    )

    class Meta:
        model = Promotion
        fields = [
            "id",
            "project_pk",
            "from_version",
            "to_version",
            "at",
            "actor",
            "reason",
            "overrides",
            "request_id",
        ]


class PromotionFilterSet(AuditFilterSet):
    project_column = "project_id"


class PromotionViewSet(OperatorViewSet[Promotion]):
    """Promotions and rollbacks: when which version began to be served."""

    queryset = Promotion.objects.select_related("from_version", "to_version")
    serializer_class = PromotionSerializer
    filterset_class = PromotionFilterSet
