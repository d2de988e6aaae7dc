"""What views read from the body and the query of a request."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

_NAMED_MAX: Final = 20  # unknown names in a sentence


class ChoiceField(serializers.ChoiceField):
    """Names the choices to a client that sends another value."""

    default_error_messages = {
        "invalid_choice": '"{input}" is not a valid choice. Use: {choices}.'
    }

    def fail(self, key: str, **values: Any) -> NoReturn:
        super().fail(key, choices=names(self.choices), **values)


def validated(
    serializer: type[serializers.BaseSerializer[Any]], request: Request
) -> dict[str, Any]:
    """Return the values in the body of a request.

    Raises:
        ValidationError: A value is missing or wrong, or a field unknown.
    """
    return _validated(serializer(data=request.data), "field")


def validated_query(
    serializer: type[serializers.Serializer[Any]], request: Request
) -> dict[str, Any]:
    """Return the values in the query of a request.

    Raises:
        ValidationError: A value is wrong, or a parameter unknown.
    """
    return _validated(serializer(data=request.query_params), "parameter")


def refuse_unknown(sent: Iterable[str], known: Iterable[str], kind: str) -> None:
    """Refuse names that a client misspelt or that another endpoint has.

    Raises:
        ValidationError: A name is not among the known ones.
    """
    known = list(known)
    unknown = sorted(set(sent).difference(known))
    uses = f"Use: {names(known)}." if known else f"Send no {kind}."
    if len(unknown) == 1:
        raise ValidationError({unknown[0]: f"There is no such {kind}. {uses}"})
    if unknown:
        found = names(unknown[:_NAMED_MAX])
        raise ValidationError(f"There are no such {kind}s: {found}. {uses}")


def names(those: Iterable[str]) -> str:
    """Return names as a part of a sentence."""
    return ", ".join(map(str, those))


def _validated(serializer: Any, kind: str) -> dict[str, Any]:
    if isinstance(serializer.initial_data, Mapping):  # if not, it is refused below
        refuse_unknown(serializer.initial_data, serializer.fields, kind)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


class NothingSerializer(serializers.Serializer[Any]):
    """A request without a body, or an empty one."""


@extend_schema_serializer(
    examples=[OpenApiExample("Reason", {"reason": "wrong data"}, request_only=True)]
)
class ReasonSerializer(serializers.Serializer[Any]):
    """Why a person does it; kept in the audit log."""

    reason = serializers.CharField(max_length=2_000)


class OptionalReasonSerializer(serializers.Serializer[Any]):
    """Why a person does it, if the person says so; kept in the audit log."""

    reason = serializers.CharField(max_length=2_000, default="", allow_blank=True)


def reason_of(request: Request) -> str:
    """Return the reason in the body of a request.

    Raises:
        ValidationError: There is none, or it is too long.
    """
    reason: str = validated(ReasonSerializer, request)["reason"]
    return reason
