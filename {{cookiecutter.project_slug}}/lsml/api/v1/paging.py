"""Pages by key: the next one begins behind the last row, however far down it is."""

from typing import Any, Final

from django.db.models import Model, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from lsml.audit.counting import count

_LIMIT: Final = 100
_LIMIT_MAX: Final = 1_000


def ordered(rows: QuerySet[Model], request: Request) -> QuerySet[Model]:
    """By key, newest first unless `order=oldest`; behind `after` where it is given.

    Raises:
        ValidationError: `order` or `after` is wrong.
    """
    order = request.query_params.get("order", "newest")
    if order not in {"newest", "oldest"}:
        raise ValidationError({"order": "newest or oldest"})
    if "after" in request.query_params:
        after = _number(request, "after", 0, 2**63 - 1)
        rows = rows.filter(**{"pk__lt" if order == "newest" else "pk__gt": after})
    return rows.order_by("-pk" if order == "newest" else "pk")


def page(rows: QuerySet[Model], request: Request) -> tuple[list[Model], dict[str, Any]]:
    """One page of rows, and what surrounds it in the answer."""
    limit = _number(request, "limit", _LIMIT, _LIMIT_MAX)
    found = list(ordered(rows, request)[: limit + 1])
    rest = None
    if len(found) > limit:
        found.pop()
        url = request.build_absolute_uri()
        rest = replace_query_param(url, "after", str(found[-1].pk))
    number = count(rows)
    return found, {
        "count": number.number,
        "count_is_exact": number.exact,
        "next": rest,
    }


def _number(request: Request, word: str, default: int, most: int) -> int:
    text = request.query_params.get(word, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= most:
        raise ValidationError({word: f"A number from 1 to {most}."})
    return int(text)
