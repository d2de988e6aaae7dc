"""ARTIFACT_STORAGE, a URL, as an entry of Django's STORAGES. Read by settings."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


def storage_from_url(url: str) -> dict[str, Any]:
    """Read `file:///folder` or `s3://bucket/prefix?endpoint_url=…&region_name=…`.

    Credentials of S3 come from the usual AWS variables, never from the URL.

    Raises:
        ValueError: another scheme, or a part is missing.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": unquote(parts.path)},
        }
    if parts.scheme == "s3" and parts.netloc:
        return {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": parts.netloc,
                "location": parts.path.strip("/"),
                "file_overwrite": True,
                **dict(parse_qsl(parts.query)),
            },
        }
    raise ValueError(
        f"ARTIFACT_STORAGE must be file:///folder or s3://bucket/prefix, not {url!r}."
    )
