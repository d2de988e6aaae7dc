"""Checks of the settings of the audit log."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from lsml.environment.checking import TAG, too_small

_INPUTS: Final = ("digest", "full")


@register(TAG)
def check_audit(**_: Any) -> Iterator[CheckMessage]:
    """Report unknown values and URL schemes, and numbers that are too small."""
    if settings.AUDIT_INPUTS not in _INPUTS:
        yield Error(
            f"AUDIT_INPUTS is {settings.AUDIT_INPUTS!r}, which is not known.",
            hint="Set it to digest (a task's SHA-256) or full (the task itself).",
            id="lsml.E020",
        )
    if settings.AUDIT_ANCHOR and not _is_anchor(settings.AUDIT_ANCHOR):
        yield Error(
            "AUDIT_ANCHOR is not an address that seals can be published to.",
            hint="Write file:///path, s3://bucket/prefix or https://host/path.",
            id="lsml.E021",
        )
    yield from too_small(
        {
            "AUDIT_SEAL_S": (settings.AUDIT_SEAL_S, 0.1),
            "AUDIT_SEAL_ROWS_MAX": (settings.AUDIT_SEAL_ROWS_MAX, 100),
            **{
                f"AUDIT_RETENTION_DAYS of {table}": (days, 0)
                for table, days in settings.AUDIT_RETENTION_DAYS.items()
            },
        }
    )


def _is_anchor(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return bool(parts.path)
    return parts.scheme in {"s3", "http", "https"} and bool(parts.netloc)
