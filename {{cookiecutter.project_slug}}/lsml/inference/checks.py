"""Checks of the settings of inference."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from lsml.environment.checking import TAG, too_small
from lsml.model_process.address import socket_of
from lsml.model_process.processes import BACKGROUND, SERVING


@register(TAG)
def check_inference(**_: Any) -> list[CheckMessage]:
    """Report numbers that are too small."""
    return too_small(
        {
            "PREDICT_WAIT_S": (settings.PREDICT_WAIT_S, 0),
            # Waiting counts: a shorter time-out would end predictions that only wait.
            "PREDICT_TIMEOUT_S": (
                settings.PREDICT_TIMEOUT_S,
                max(1.0, settings.PREDICT_WAIT_S),
            ),
            "PREDICT_QUEUE_MAX": (settings.PREDICT_QUEUE_MAX, 1),
            "WEB_PREDICT_THREADS": (settings.WEB_PREDICT_THREADS, 1),
            "MODELS_IN_MEMORY_MAX": (settings.MODELS_IN_MEMORY_MAX, 1),
            "MODELS_IDLE_MAX_S": (settings.MODELS_IDLE_MAX_S, 0),
        }
    )


@register(TAG)
def check_model_urls(**_: Any) -> list[CheckMessage]:
    """Report addresses at which no model process can answer."""
    return [
        Error(
            f"{process.setting} is not the address of a model process.",
            hint="Write unix:///path/model.sock, http://host:9091 or https://host.",
            id="lsml.E050",
        )
        for process in (SERVING, BACKGROUND)
        if process.url and not _is_address(process.url)
    ]


def _is_address(url: str) -> bool:
    return (socket_of(url) or "").startswith("/") or _is_http(url)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is no number
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
