"""Turns a URL such as ARTIFACT_STORAGE into an entry of Django's STORAGES."""

from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

# No class has this name, so nothing can be stored. An error raised here, in the
# settings, would be a traceback; the checks lsml.E030 and lsml.E021 report a sentence.
_UNKNOWN: Final = "unknown storage address"

# A request waits for the answer. The defaults, 60 s and five attempts, let it wait
# longer than PREDICT_TIMEOUT_S.
_S3_LIMITS: Final[dict[str, Any]] = {
    "connect_timeout": 4,  # seconds
    "read_timeout": 15,
    "retries": {"total_max_attempts": 2},
}


def storage_from_url(url: str) -> dict[str, Any]:
    """Parse `file:///folder` or `s3://bucket/prefix?endpoint_url=…&region_name=…`.

    The credentials of S3 come from the usual AWS variables, never from the URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": unquote(parts.path)},
        }
    if parts.scheme == "s3" and parts.netloc:
        from botocore.config import Config  # here, because it takes a while

        return {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": parts.netloc,
                "location": parts.path.strip("/"),
                "file_overwrite": True,
                "client_config": Config(**_S3_LIMITS),
                **dict(parse_qsl(parts.query)),
            },
        }
    return {"BACKEND": _UNKNOWN}


def is_storage_url(url: str) -> bool:
    """Whether the scheme is known and no part is missing."""
    return bool(storage_from_url(url)["BACKEND"] != _UNKNOWN)
