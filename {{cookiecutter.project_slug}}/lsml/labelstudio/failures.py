"""Failures of Label Studio's API, each with a message and a next step."""

from __future__ import annotations

import json
import re

from lsml.labelstudio.reading import JsonObject
from lsml.labelstudio.secrets import masked_text

_TAG = re.compile(r"<[^>]{0,200}>")  # some messages contain HTML


class LabelStudioError(Exception):
    """A request to Label Studio failed.

    Attributes:
        next_step: what the reader of the message can do.
    """

    def __init__(self, sentence: str, next_step: str) -> None:
        super().__init__(sentence)
        self.next_step = next_step


class Unreachable(LabelStudioError):
    """Label Studio does not answer."""

    def __init__(self, *, url: str, reason: Exception) -> None:
        why = masked_text(str(reason)) or type(reason).__name__
        super().__init__(
            f"Label Studio does not answer at {masked_text(url)}: {why}.",
            "Check the address, and whether this machine can reach it.",
        )


class RedirectedElsewhere(LabelStudioError):
    """Label Studio redirects to where the token must not be sent."""

    def __init__(self, *, url: str, elsewhere: str) -> None:
        super().__init__(
            f"Label Studio at {masked_text(url)} redirects to {masked_text(elsewhere)},"
            " where the API key is not sent.",
            "If Label Studio is there, set LABEL_STUDIO_URL or --url to that address.",
        )


class WrongKey(LabelStudioError):
    """The token is unknown, expired or revoked."""

    def __init__(self, *, url: str) -> None:
        super().__init__(
            f"Label Studio at {url} does not know this API key.",
            "Copy a personal access token from Account & Settings, without spaces.",
        )


class LegacyTokensDisabled(LabelStudioError):
    """The organisation does not accept legacy tokens."""

    def __init__(self, *, url: str) -> None:
        super().__init__(
            f"Label Studio at {url} does not accept legacy tokens.",
            "Use a personal access token, or allow legacy tokens in the "
            "organisation's access token settings.",
        )


class NotAllowed(LabelStudioError):
    """The token's user lacks the permission."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(
            f"Label Studio does not allow this: {detail}",
            "Use the API key of a user who may change the project.",
        )


class LocalAddressBlocked(LabelStudioError):
    """Label Studio refuses addresses on its own network."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(
            f"Label Studio refuses private and loopback addresses: {detail}",
            "Start Label Studio with ML_BLOCK_LOCAL_IP=false and "
            "SSRF_PROTECTION_ENABLED=false, or give the backend a public address.",
        )


class NoSuchThing(LabelStudioError):
    """A project, task or backend does not exist, or this user may not see it."""

    def __init__(self, *, url: str) -> None:
        super().__init__(
            f"Label Studio at {url} has nothing with this ID for this API key.",
            "Look up the project's ID in the address bar of Label Studio: "
            "/projects/<ID>/.",
        )


class NoSuchView(LabelStudioError):
    """A project has no such view, or this user may not see it."""

    def __init__(self, *, view: int, project: int) -> None:
        super().__init__(
            f"Project {project} in Label Studio has no view {view} for this API key.",
            "Look up the view's ID in the address bar of the data manager:"
            " /projects/<ID>/data?tab=<view's ID>.",
        )


class BackendRefused(LabelStudioError):
    """Label Studio called the backend and rejected it."""


class InvalidTask(LabelStudioError):
    """Predictions name a task that the project does not have. None was stored."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(
            f"Label Studio does not know a task: {detail}",
            "Run `manage.py sync`, then try again.",
        )


class OutcomeUnknown(LabelStudioError):
    """Label Studio may have done what was asked, or may still do it."""

    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(
            f"Label Studio at {masked_text(url)} did not say whether it completed the"
            f" request: {masked_text(reason) or 'no answer in time'}.",
            "See Label Studio's own log, and try again later.",
        )


def refusal(status: int | None, body: object, *, url: str) -> LabelStudioError:
    """Return the failure for an answer with a status of 400 or more.

    Source: Label Studio 1.23.2, `jwt_auth`, `ml/serializers.py`, `core/utils/io.py`.
    """
    detail = masked_text(_detail(body))
    if "legacy token" in detail:
        return LegacyTokensDisabled(url=url)
    if status == 401:
        return WrongKey(url=url)
    if "reserved network" in detail or "loopback" in detail:
        return LocalAddressBlocked(detail=detail)
    if status == 403:
        return NotAllowed(detail=detail)
    if status == 404:
        return NoSuchThing(url=url)
    return _backend_refusal(detail) or LabelStudioError(
        f"Label Studio answered {status}: {detail}",
        "See Label Studio's own log for details.",
    )


def import_refusal(status: int, body: object, *, url: str) -> LabelStudioError:
    """Return the failure for the answer to an import of predictions.

    Source: Label Studio 1.23.2, `data_import/api.py`, `ImportPredictionsAPI`.
    """
    said = _words(body)  # the prediction, and then what is wrong with it
    if status == 400 and ('invalid "task" field' in said or "Invalid task ID" in said):
        return InvalidTask(detail=masked_text(said[-200:]))
    return _refusal_or_unknown(status, body, url=url)


def removal_refusal(status: int, body: JsonObject, *, url: str) -> LabelStudioError:
    """Return the failure for the answer to a removal of predictions.

    Source: Label Studio 1.23.2, `core/utils/common.py`, `custom_exception_handler`.
    """
    # Label Studio's own error comes after its transaction ended.
    if status >= 500 and "status_code" in body:
        return refusal(status, body, url=url)
    return _refusal_or_unknown(status, body, url=url)


def _refusal_or_unknown(status: int, body: object, *, url: str) -> LabelStudioError:
    # A proxy may answer for a Label Studio that is still at work.
    if status < 400 or status >= 500 or status in {408, 409, 429}:
        reason = f"it answered {status} {_detail(body)}".strip()
        return OutcomeUnknown(url=url, reason=reason[:200])
    return refusal(status, body, url=url)


def _backend_refusal(detail: str) -> BackendRefused | None:
    if "authentication parameters" in detail:
        return BackendRefused(
            "The backend refused the credentials Label Studio sent.",
            "Run this command with the same BASIC_AUTH_USER and BASIC_AUTH_PASS as the "
            "running service.",
        )
    if "health check failed" in detail:
        return BackendRefused(
            f"Label Studio cannot reach the backend: {detail}",
            "Use --backend-url with the address at which Label Studio's machine or "
            "container reaches this service. Check that the service is running and "
            "that ALLOWED_HOSTS contains this host name.",
        )
    if "look like a valid ML backend" in detail:
        return BackendRefused(
            f"The backend cannot serve this project: {detail}",
            "See the service's log or call its /validate endpoint. The usual reason "
            "is a label config that the model does not support.",
        )
    return None


def _detail(body: object) -> str:
    """Return the readable part of an error body, at most 600 characters of it."""
    return _words(body)[:600]


def _words(body: object) -> str:
    """Return the readable part of an error body, whatever its shape."""
    if isinstance(body, dict):
        errors = body.get("validation_errors") or body.get("non_field_errors")
        body = errors or body.get("detail") or body
    if isinstance(body, dict):
        body = [text for texts in body.values() for text in _texts(texts)]
    texts = _texts(body)
    return _TAG.sub("", " ".join(str(text) for text in texts))


def _texts(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [value if isinstance(value, str) else json.dumps(value)]
