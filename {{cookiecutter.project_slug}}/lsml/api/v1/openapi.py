"""How the resources of /api/v1/ appear in the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from lsml.api.v1.streaming import STREAMS


class ErrorSerializer(serializers.Serializer[Any]):
    """The shape of every error; `lsml.api.errors` builds it."""

    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="A word for a program.")
    field = serializers.CharField(
        allow_null=True, help_text="The value at fault; null = not one value."
    )
    request_id = serializers.CharField(help_text="Find it in the log.")


class TokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]  # not typed
    """Describes our token authentication; drf-spectacular finds it by its target."""

    target_class = "lsml.api.v1.access.RefusingTokenAuthentication"


_ERRORS: Final = {
    400: "The request is wrong; `field` says where.",
    401: "Wrong, missing or expired credentials.",
    403: "Your role does not allow this.",
    404: "No such row: mistyped, or removed by retention.",
    409: "Refused in the present state; nothing was changed. `detail` says why.",
    413: "The body is larger than MAX_REQUEST_MB, or has too many values.",
    415: "The body is not declared as JSON.",
    429: "Too many requests; try again after Retry-After.",
    503: "Database down or model busy; try again after Retry-After.",
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """Return what a view answers with these statuses, for `extend_schema`."""
    return {each: OpenApiResponse(ErrorSerializer, _ERRORS[each]) for each in statuses}


REFUSED: Final = errors(409)[409]


class OperatorSchema(AutoSchema):
    """Describes lists, single rows and actions, with the errors they answer."""

    def get_tags(self) -> list[str]:
        return ["operators"]

    def get_operation_id(self) -> str:
        view: Any = self.view  # an OperatorViewSet
        kind = {"list": "list", "retrieve": "one"}.get(view.action)
        if kind is None:
            return super().get_operation_id()
        name = view.serializer_class.__name__.removesuffix("Serializer")
        return f"{name.lower()}_{kind}"

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def get_override_parameters(self) -> list[Any]:
        if getattr(self.view, "action", "") != "list":
            return []
        description = "csv and jsonl stream all rows, for operators and auditors."
        formats = ["json", *STREAMS]
        return [OpenApiParameter("format", str, enum=formats, description=description)]

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation:
            error = self.resolve_serializer(ErrorSerializer, "response").ref
            for status in self._errors():
                operation["responses"][str(status)] = {
                    "description": _ERRORS[status],
                    "content": {"application/json": {"schema": error}},
                }
        return operation

    def _errors(self) -> list[int]:
        view: Any = self.view  # an OperatorViewSet
        statuses = [401, 403, 429, 503]
        if view.action == "list":
            statuses += [400]
        if self.method == "POST":
            statuses += [400, 413, 415]
        if view.detail:
            statuses += [404]
            if self.method == "POST":
                statuses += [409]
        return statuses


def one_row(**columns: Any) -> OpenApiExample:
    """Return an example of a resource; the document wraps it into a page for a list."""
    return OpenApiExample("One row", columns, response_only=True)
