"""Files that tasks name: where they are on this machine, fetched first if need be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def get_local_path(
    url: str,
    *,
    access_token: str | Callable[[], str | None] | None = None,
    **kwargs: Any,
) -> str:
    """Return the path of a file on this machine, fetching it first if need be."""
    from label_studio_sdk._extensions.label_studio_tools.core.utils.io import (
        get_local_path as resolve,
    )

    token = access_token() if callable(access_token) else access_token
    return str(resolve(url, access_token=token, **kwargs))
