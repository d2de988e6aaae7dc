"""Publishes the latest seal outside the database (AUDIT_ANCHOR).

The owner of the database could rewrite rows and seals together, but not that copy.
"""

import urllib.request
from collections.abc import Iterable, Iterator
from os import SEEK_END
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import orjson
import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from lsml.audit.models import Seal
from lsml.labelstudio.secrets import error_text

log = structlog.get_logger(__name__)

_TIMEOUT_S: Final = 5
_LINE_BYTES_MAX: Final = 1_000  # a line has about 150


def publish(seal: Seal) -> None:
    """Publish number and digest of a seal. A failure is only logged.

    Each seal covers all earlier ones, so the next one makes up for one not published.
    """
    if not settings.AUDIT_ANCHOR:
        return
    anchor = {
        "number": seal.number,
        "digest": seal.digest,
        "sealed_at": seal.sealed_at,
    }
    try:
        _put(settings.AUDIT_ANCHOR, seal.number, orjson.dumps(anchor))
    except Exception as error:  # noqa: BLE001 - each storage raises errors of its own
        log.warning("seal not anchored", number=seal.number, error=str(error))


class NotAnAnchor(Exception):
    """Anchored seals are missing or cannot be read; the message is a sentence."""


def published() -> Iterator[tuple[int, str]]:
    """Yield number and digest of each published seal.

    Nothing for http and https, which cannot be read back.

    Raises:
        NotAnAnchor: as `read_anchors`.
    """
    parts = urlsplit(settings.AUDIT_ANCHOR)
    if parts.scheme == "file":
        yield from read_anchors(Path(unquote(parts.path)))
    elif parts.scheme == "s3":
        contents = _contents(storages["anchors"])
        yield from _read(settings.AUDIT_ANCHOR, contents, "Object")


def is_published(number: int) -> bool:
    """Return whether the seal with that number, or a later one, is published.

    Reads one line or one name. Not for http and https, which cannot be read back.
    """
    parts = urlsplit(settings.AUDIT_ANCHOR)
    if parts.scheme == "s3":
        return storages["anchors"].exists(_object_name(number))
    try:
        with Path(unquote(parts.path)).open("rb") as file:
            file.seek(max(0, file.seek(0, SEEK_END) - _LINE_BYTES_MAX))
            last = file.read().splitlines()[-1]
        return bool(orjson.loads(last)["number"] >= number)
    except (FileNotFoundError, IndexError, ValueError, TypeError, KeyError):
        return False


def read_anchors(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and digest from each line of a file.

    Raises:
        NotAnAnchor: there is no such file, it has no anchored seal, or, after all
            others, a line is not an anchored seal.
    """
    try:
        with path.open("rb") as file:
            yield from _read(str(path), file, "Line")
    except OSError as error:
        raise NotAnAnchor(
            f"The file of anchored seals {path} cannot be read: {error.strerror}. Seals"
            " were not compared with it."
        ) from error


def _read(place: str, anchors: Iterable[bytes], each: str) -> Iterator[tuple[int, str]]:
    number, unreadable = 0, 0
    for number, anchor in enumerate(anchors, start=1):
        try:
            facts = orjson.loads(anchor)
            pair = int(facts["number"]), str(facts["digest"])
        except (ValueError, TypeError, KeyError):
            unreadable = unreadable or number
        else:
            yield pair
    if not number:
        raise NotAnAnchor(
            f"{place} has no anchored seal, so no seal was compared. If AUDIT_ANCHOR"
            " was set just now, wait for the next seal."
        )
    if unreadable:
        raise NotAnAnchor(
            f"{each} {unreadable} of {place} is not an anchored seal. Writing it may"
            " have been interrupted; look at it, and remove it if that is so."
        )


def _contents(storage: Storage) -> Iterator[bytes]:
    try:
        for name in sorted(storage.listdir("")[1]):
            with storage.open(name) as file:
                yield file.read()
    except Exception as error:  # each storage raises errors of its own
        raise NotAnAnchor(
            f"Seals were not compared with those at {settings.AUDIT_ANCHOR}, which"
            f" cannot be read: {error_text(error)}"
        ) from error


def _object_name(number: int) -> str:
    return f"seal-{number:012}.json"


def _put(url: str, number: int, body: bytes) -> None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            if file.tell():
                file.seek(-1, SEEK_END)
                if file.read() != b"\n":  # the last write was interrupted
                    file.write(b"\n")
            file.write(body + b"\n")
    elif parts.scheme == "s3":
        storages["anchors"].save(_object_name(number), ContentFile(body))
    else:
        request = urllib.request.Request(  # noqa: S310 - the operator's own URL
            url, data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
            pass
