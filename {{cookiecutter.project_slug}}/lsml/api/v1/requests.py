"""What views read from the body and the query of a request."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request


def validated(
    serializer: type[serializers.BaseSerializer[Any]], request: Request
) -> dict[str, Any]:
    """Return the values in the body of a request.

    Raises:
        ValidationError: A value is missing or wrong.
    """
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    values: dict[str, Any] = body.validated_data
    return values


def validated_query(
    serializer: type[serializers.Serializer[Any]], request: Request
) -> dict[str, Any]:
    """Return the values in the query of a request.

    Raises:
        ValidationError: A value is wrong, or a parameter unknown.
    """
    query = serializer(data=request.query_params)
    known = query.fields.keys()
    if unknown := request.query_params.keys() - known:
        raise ValidationError({min(unknown): f"Use {' and '.join(known)}."})
    query.is_valid(raise_exception=True)
    values: dict[str, Any] = query.validated_data
    return values


@extend_schema_serializer(
    examples=[OpenApiExample("Reason", {"reason": "wrong data"}, request_only=True)]
)
class ReasonSerializer(serializers.Serializer[Any]):
    """Why a person does it; kept in the audit log."""

    reason = serializers.CharField(max_length=2_000)


def reason_of(request: Request) -> str:
    """Return the reason in the body of a request.

    Raises:
        ValidationError: There is none, or it is too long.
    """
    reason: str = validated(ReasonSerializer, request)["reason"]
    return reason
