"""Checks of the artifact storage, the model and the connection to Label Studio."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.files.base import ContentFile

from lsml.environment.checking import MODEL_TAG, TAG
from lsml.labelstudio.secrets import error_text
from lsml.registry.artifact_cache import why_not_private
from lsml.registry.artifacts import artifact_storage
from lsml.registry.model_class import model_class
from lsml.registry.storage_url import is_storage_url


@register(TAG)
def check_addresses(**_: Any) -> Iterator[CheckMessage]:
    """Report unusable addresses, and a connection that lacks one of its settings."""
    if not is_storage_url(settings.ARTIFACT_STORAGE):
        yield Error(
            "ARTIFACT_STORAGE is not an address that artifacts can be stored at.",
            hint="Write file:///folder or s3://bucket/prefix.",
            id="lsml.E030",
        )
    for name in ("LABEL_STUDIO_URL", "SERVICE_URL", "CONSOLE_URL"):
        url = urlsplit(getattr(settings, name))
        is_usable = url.scheme in {"http", "https"} and url.netloc
        if url.geturl() and not (is_usable and "@" not in url.netloc):
            yield Error(
                f"{name} is not the address of a web server.",
                hint="Write http://host:port or https://host, without a user name.",
                id="lsml.E031",
            )
    # Web and beat never call Label Studio, so in compose.yaml they do not get the key.
    calls = settings.PROCESS not in {"web", "beat"}
    if calls and bool(settings.LABEL_STUDIO_URL) != bool(settings.LABEL_STUDIO_API_KEY):
        yield Caution(
            "Only one of LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY is set.",
            hint="Set both, or `manage.py sync` and webhooks without payload fail.",
            id="lsml.W030",
        )


@register(TAG)
def check_cache(**_: Any) -> list[CheckMessage]:
    """Report a cache of artifacts that other users may change.

    A command may run as another user; if it loads a version, that is refused.
    """
    if settings.PROCESS in {"command", "beat"}:
        return []
    folder: Path = settings.ARTIFACT_CACHE_DIR
    reason = why_not_private(folder)
    if not reason:
        return []
    return [
        Error(
            f"The artifact cache {folder} {reason}.",
            hint="Give it to the service's user with mode 700, or set"
            " ARTIFACT_CACHE_DIR to another folder.",
            id="lsml.E034",
        )
    ]


@register(Tags.database)  # it writes, so not at each start of a process
def check_storage_answers(
    *, databases: Sequence[str] | None, **_: Any
) -> list[CheckMessage]:
    """Report an artifact storage that cannot be written to."""
    if databases is None or not is_storage_url(settings.ARTIFACT_STORAGE):
        return []  # an unusable address is reported by check_addresses
    try:
        storage = artifact_storage()
        storage.delete(storage.save(f"checks/{uuid4().hex}", ContentFile(b"check")))
    except Exception as error:  # noqa: BLE001 - each backend raises its own errors
        return [
            Error(
                f"The artifact storage cannot be used: {error_text(error)}",
                hint="Check ARTIFACT_STORAGE, its credentials and its permissions.",
                id="lsml.E032",
            )
        ]
    return []


@register(MODEL_TAG)
def check_model(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """Report a model class that cannot be found or imported.

    Under MODEL_PLACEMENT=process the model process reports it: this process need not
    have the model's libraries.
    """
    if databases is None:
        return []
    if settings.MODEL_PLACEMENT == "process" and settings.PROCESS != "model":
        return []
    try:
        model_class()
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        return [
            Error(
                f"The model cannot be imported: {error_text(error)}",
                hint="Correct model.py, requirements-model.txt or MODEL_CLASS.",
                id="lsml.E033",
            )
        ]
    return []
