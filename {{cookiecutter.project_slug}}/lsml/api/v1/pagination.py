"""Pages by key: each page starts after the last row of the page before.

So a page deep in a long list costs no more than the first one.
"""

from typing import Any, Final

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from lsml.audit.counting import count

_LIMIT: Final = 100
_LIMIT_MAX: Final = 1_000
_KEY_MAX: Final = 2**63 - 1

PAGING_PARAMETERS: Final = [
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer"},
        "description": f"Rows per page, 1 to {_LIMIT_MAX}.",
    },
    {
        "name": "after",
        "in": "query",
        "schema": {"type": "integer"},
        "description": "ID of the last row of the page before.",
    },
    {
        "name": "order",
        "in": "query",
        "schema": {"type": "string", "enum": ["newest", "oldest"]},
    },
]


class KeyPagination(BasePagination):
    """Gives `limit` rows after the key `after`; large tables get an estimated count."""

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any]:
        """Return the rows of one page.

        Raises:
            ValidationError: `limit`, `order` or `after` is wrong.
        """
        limit = _number(request, "limit", _LIMIT, _LIMIT_MAX)
        found = list(ordered(queryset, request)[: limit + 1])
        self.next: str | None = None
        if len(found) > limit:
            found.pop()
            url = request.build_absolute_uri()
            self.next = replace_query_param(url, "after", str(found[-1].pk))
        self.count = count(queryset)  # of all pages
        return found

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "count": self.count.number,
                "count_is_exact": self.count.exact,
                "next": self.next,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the shape of a page, for the OpenAPI document."""
        properties = {
            "count": {"type": "integer", "example": 1},
            "count_is_exact": {"type": "boolean", "example": True},
            "next": {"type": ["string", "null"], "example": None},
            "results": schema,
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return PAGING_PARAMETERS


def ordered(rows: QuerySet[Any], request: Request) -> QuerySet[Any]:
    """Sort by key, newest first unless `order=oldest`, and start after `after`.

    Raises:
        ValidationError: `order` or `after` is wrong.
    """
    order = request.query_params.get("order", "newest")
    if order not in {"newest", "oldest"}:
        raise ValidationError({"order": "Use `newest` or `oldest`."})
    if "after" in request.query_params:
        after = _number(request, "after", 0, _KEY_MAX)
        rows = rows.filter(**{"pk__lt" if order == "newest" else "pk__gt": after})
    return rows.order_by("-pk" if order == "newest" else "pk")


def _number(request: Request, word: str, default: int, most: int) -> int:
    text = request.query_params.get(word, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= most:
        raise ValidationError({word: f"Use a whole number from 1 to {most}."})
    return int(text)
