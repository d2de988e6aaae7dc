"""Logs as events with fields, on standard error. Called once, by settings."""

import logging.config
import re
from collections.abc import Callable
from typing import Any, Literal, cast

import structlog

# PostgreSQL's details quote the row that it refused, and so a task's data. Up to the
# next exception of a chain.
_ROW_VALUES = re.compile(
    r"^(?:DETAIL|CONTEXT): .*?(?=\n\n(?:The above exception|During handling)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_config(*, fmt: str, level: str, mask: Callable[[str], str]) -> None:
    """Send structlog's and the standard library's records through one formatter.

    Args:
        fmt: `json` (one object a line, for machines) or `console` (for people).
        level: name of the lowest level kept, such as `INFO`.
        mask: takes the secrets out of a text. Each field goes through it: an error of
            the user's code, or of a library, may quote the URL it could not fetch.
    """
    shared = [*_SHARED, _without_row_values, _masking(mask)]
    renderer = _renderer(cast("Literal['json', 'console']", fmt))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "event": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        renderer,
                    ],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "event"}
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # Answers of 500 and more are logged by RequestIdMiddleware, with the
                # request's id; Django's own lines, also for 4xx, would repeat them.
                "django.request": {"level": "CRITICAL"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                # It would tell every request to Label Studio's API, query and all.
                "httpx": {"level": "WARNING"},
            },
        }
    )


def _without_row_values(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    if "exception" in event:
        event["exception"] = _ROW_VALUES.sub("DETAIL: not logged", event["exception"])
    return event


def _masking(mask: Callable[[str], str]) -> Any:
    def mask_fields(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {
            # What renders the record later carries fields of its own, not for readers.
            name: value if name.startswith("_") else _masked(value, mask)
            for name, value in event.items()
        }

    return mask_fields


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return mask(value if isinstance(value, str) else str(value))


def _renderer(fmt: Literal["json", "console"]) -> Any:
    if fmt == "console":
        return structlog.dev.ConsoleRenderer(colors=False)
    return structlog.processors.JSONRenderer()
