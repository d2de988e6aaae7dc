"""How the lists of /api/v1/ are told in the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from lsml.api.v1.examples import EXAMPLES
from lsml.api.v1.filters import Filter
from lsml.api.v1.serializers import PageSerializer
from lsml.api.v1.streaming import STREAMS

_PAGING = [
    OpenApiParameter("limit", int, description="Rows of a page, 1 to 1000."),
    OpenApiParameter("after", int, description="Id of the row before the first."),
    OpenApiParameter("order", str, enum=["newest", "oldest"]),
    OpenApiParameter(
        "format",
        str,
        enum=["json", *STREAMS],
        description="csv and jsonl stream all rows; they need the right to export.",
    ),
]
_Decorator = Callable[[type[APIView]], type[APIView]]


def describes_list(
    row_filter: type[Filter], serializer: type[ModelSerializer[Any]]
) -> _Decorator:
    """A list with its filters, its paging and an example."""
    name = serializer.__name__.removesuffix("Serializer")
    answer = inline_serializer(
        f"{name}Page",
        {**PageSerializer().get_fields(), "results": serializer(many=True)},
    )
    example = {
        "count": 1,
        "count_is_exact": True,
        "next": None,
        "results": [EXAMPLES[name]],
    }
    return extend_schema_view(
        get=extend_schema(
            operation_id=f"{name.lower()}_list",
            parameters=[row_filter, *_PAGING],
            responses=answer,
            examples=[OpenApiExample("One row", example, response_only=True)],
            tags=["operators"],
        )
    )


def describes_one(serializer: type[ModelSerializer[Any]]) -> _Decorator:
    """A single row with an example."""
    name = serializer.__name__.removesuffix("Serializer")
    return extend_schema_view(
        get=extend_schema(
            operation_id=f"{name.lower()}_one",
            responses=serializer,
            examples=[OpenApiExample("A row", EXAMPLES[name], response_only=True)],
            tags=["operators"],
        )
    )
