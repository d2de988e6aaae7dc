"""/api/v1/seals: the chain of digests over finished rows."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import ModelSerializer

from lsml.api.v1.filtering import OneOfFilter
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.audit.models import Seal
from lsml.audit.tables import SEALED_TABLES


@extend_schema_serializer(
    examples=[
        one_row(
            number=17,
            table="audit_prediction",
            row_count=412,
            first_id=7354117705207928,
            last_id=7354117705248811,
            digest="0" * 64,
            previous_digest="0" * 64,
        )
    ]
)
class SealSerializer(ModelSerializer[Seal]):
    class Meta:
        model = Seal
        exclude = ["locator"]


class SealFilterSet(django_filters.FilterSet):
    table = OneOfFilter([(name, name) for name in sorted(SEALED_TABLES)])


class SealViewSet(OperatorViewSet[Seal]):
    """The chain of digests over finished rows."""

    queryset = Seal.objects.defer("locator")
    serializer_class = SealSerializer
    filterset_class = SealFilterSet
