"""OpenAPI schemas of Label Studio's endpoints, as recorded in tests/protocol."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension

Schema = dict[str, Any]
Body = dict[str, Schema]

_TEXT: Final[Schema] = {"type": "string"}
_ANY_OBJECT: Final[Schema] = {"type": "object", "additionalProperties": True}
_CONFIG: Final[Schema] = {
    "type": "string",
    "maxLength": 1_000_000,
    "example": '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>',
}
_PROJECT: Final[Schema] = {
    "type": "string",
    "pattern": r"^[1-9][0-9]{0,17}(\.[0-9]{1,12})?$",
    "description": "Label Studio's project ID, a dot, its creation in Unix seconds.",
    "example": "1.1795433940",
}
_TASK: Final[Schema] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1, "example": 1},
        "data": {**_ANY_OBJECT, "example": {"text": "I love this product"}},
    },
    "additionalProperties": True,
}
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["detail", "code", "field", "request_id"],
    "properties": {
        "detail": {**_TEXT, "description": "A sentence for a person."},
        "code": _TEXT,
        "field": {"type": ["string", "null"], "example": "tasks[3].data"},
        "request_id": _TEXT,
    },
}
_ERRORS: Final = {
    400: "The request is wrong; `field` says where.",
    401: "Wrong or missing credentials.",
    413: "The body is larger than MAX_REQUEST_MB, or has too many values.",
    415: "The body is not declared as JSON.",
    429: "Too many wrong credentials.",
    500: "The model failed, or this service has a fault.",
    503: "The database does not answer or the model is busy; see Retry-After.",
}


def _object(required: dict[str, Schema], **optional: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": {**required, **optional}}
    # An empty list would make the document invalid.
    return {**schema, "required": list(required)} if required else schema


def _request(schema: Schema) -> Body:
    return {"application/json": {**schema, "additionalProperties": True}}


def _answers(schema: Schema, **more: str) -> dict[tuple[int, str] | int, Any]:
    errors = {**_ERRORS, **{int(code[1:]): text for code, text in more.items()}}
    return {
        (200, "application/json"): schema,
        **{
            (code, "application/json"): {**_ERROR, "description": text}
            for code, text in errors.items()
        },
    }


HEALTH: Final = _answers(_object({"status": _TEXT, "model_class": _TEXT}))
SETUP_REQUEST: Final = _request(
    _object(
        {"schema": _CONFIG},
        project=_PROJECT,
        hostname={"type": ["string", "null"]},
        extra_params={"type": ["object", "null"]},
    )
)
SETUP: Final = _answers(_object({"model_version": _TEXT}), _404="Unknown project.")
PREDICT_REQUEST: Final = _request(
    _object(
        {"tasks": {"type": "array", "items": _TASK}},
        project=_PROJECT,
        label_config=_CONFIG,
        params=_object({}, context={"type": ["object", "null"]}),
    )
)
_PREDICTION: Final = _object(
    {
        "model_version": _TEXT,
        "score": {"type": ["number", "null"]},
        "result": {"type": "array", "items": _ANY_OBJECT},
    }
)
PREDICT: Final = _answers(
    _object(
        {
            "results": {
                "type": "array",
                "items": {
                    "oneOf": [_PREDICTION, {"type": "array", "items": _PREDICTION}]
                },
            }
        }
    )
)
WEBHOOK_REQUEST: Final = _request(
    _object({"action": {**_TEXT, "minLength": 1, "maxLength": 128}})
)
WEBHOOK: Final = _answers(_object({"status": _TEXT, "job": _TEXT}))
VERSIONS_REQUEST: Final = _request(_object({}, project=_PROJECT))
VERSIONS: Final = _answers(_object({"versions": {"type": "array", "items": _TEXT}}))
VALIDATE_REQUEST: Final = _request(_object({"config": _CONFIG}))
VALIDATE: Final = _answers(_object({"status": _TEXT}))
TRAIN_REQUEST: Final = _request(
    _object(
        {},
        project=_PROJECT,
        label_config=_CONFIG,
        annotations={"type": "array", "items": _TASK},
    )
)
JOB_STATUS_REQUEST: Final = _request(_object({"job": {**_TEXT, "maxLength": 200}}))
JOB_STATUS: Final = _answers(
    _object(
        {
            "job": _TEXT,
            "job_status": {"enum": ["queued", "started", "finished", "failed"]},
        }
    ),
    _410="No such job, or it was deleted.",
)
DUPLICATE_REQUEST: Final = _request(
    _object({"project_src": _PROJECT, "project_dst": _PROJECT})
)
DELETE_REQUEST: Final = _request(_object({"project": _PROJECT}))
DELETE: Final = _answers(_object({"deleted": _TEXT}), _404="Unknown project.")


class BasicAuth(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes our authentication in the OpenAPI document."""

    target_class = "lsml.api.auth.LabelStudioAuthentication"
    name = "basic"

    def get_security_definition(self, auto_schema: object) -> Schema:
        return {"type": "http", "scheme": "basic"}
