"""How Label Studio says no, as a sentence and the next step."""

from __future__ import annotations

import json
import re

from lsml.labelstudio.secrets import masked_text

_TAG = re.compile(r"<[^>]{0,200}>")  # some messages were written for a browser


class LabelStudioError(Exception):
    """Label Studio could not or would not.

    Attributes:
        next_step: what the person who reads the message can do.
    """

    def __init__(self, sentence: str, next_step: str) -> None:
        super().__init__(sentence)
        self.next_step = next_step


class Unreachable(LabelStudioError):
    """Nothing answers."""

    def __init__(self, *, url: str, reason: Exception) -> None:
        why = masked_text(str(reason)) or type(reason).__name__
        super().__init__(
            f"Label Studio does not answer at {masked_text(url)}: {why}.",
            "Check the address, and that it can be reached from this machine.",
        )


class RedirectedElsewhere(LabelStudioError):
    """It redirects to another origin, where the token must not go."""

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
            "Copy a personal access token from Account & Settings, without blanks.",
        )


class LegacyTokensDisabled(LabelStudioError):
    """A legacy token, and the organisation does not take them."""

    def __init__(self, *, url: str) -> None:
        super().__init__(
            f"Label Studio at {url} does not accept legacy tokens.",
            "Use a personal access token, or allow legacy tokens in the "
            "organisation's access token settings.",
        )


class NotAllowed(LabelStudioError):
    """The token's user may not do this."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(
            f"Label Studio does not allow this: {detail}",
            "Use the API key of a user who may change the project.",
        )


class LocalAddressBlocked(LabelStudioError):
    """Label Studio protects itself from addresses on its own network."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(
            f"Label Studio refuses private and loopback addresses: {detail}",
            "Start Label Studio with ML_BLOCK_LOCAL_IP=false and "
            "SSRF_PROTECTION_ENABLED=false, or give the backend a public address.",
        )


class NoSuchThing(LabelStudioError):
    """A project, task or backend that is not there, or not for this user."""

    def __init__(self, *, url: str) -> None:
        super().__init__(
            f"Label Studio at {url} has nothing under this number for this API key.",
            "Look up the project's number in the address bar of Label Studio: "
            "/projects/<number>/.",
        )


class BackendRefused(LabelStudioError):
    """Label Studio tried the backend and was not content."""


def refusal(status: int | None, body: object, *, url: str) -> LabelStudioError:
    """The failure behind an answer of 400 and above.

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
        "Label Studio's own log says more.",
    )


def _backend_refusal(detail: str) -> BackendRefused | None:
    if "authentication parameters" in detail:
        return BackendRefused(
            "The backend refused the credentials Label Studio sent.",
            "BASIC_AUTH_USER and BASIC_AUTH_PASS of this command must be those the "
            "running service was started with.",
        )
    if "health check failed" in detail:
        return BackendRefused(
            f"Label Studio cannot reach the backend: {detail}",
            "Give with --backend-url the address under which Label Studio's own "
            "machine or container sees this service, and check that it is up and has "
            "this host name in ALLOWED_HOSTS.",
        )
    if "look like a valid ML backend" in detail:
        return BackendRefused(
            f"The backend cannot serve this project: {detail}",
            "The service's log and its /validate endpoint give the reason, mostly a "
            "label config the model does not fit.",
        )
    return None


def _detail(body: object) -> str:
    """The readable part of Label Studio's error shapes."""
    if isinstance(body, dict):
        errors = body.get("validation_errors") or body.get("non_field_errors")
        body = errors or body.get("detail") or body
    if isinstance(body, dict):
        body = [text for texts in body.values() for text in _texts(texts)]
    texts = _texts(body)
    return _TAG.sub("", " ".join(str(text) for text in texts))[:600]


def _texts(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [value if isinstance(value, str) else json.dumps(value)]
