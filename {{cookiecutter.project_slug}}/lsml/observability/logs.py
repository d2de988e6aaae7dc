"""Logs as events with fields, on standard error. Called once, by settings."""

import logging.config
from typing import Any, Literal, cast

import structlog

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_config(*, fmt: str, level: str) -> None:
    """Send structlog's and the standard library's records through one formatter.

    Args:
        fmt: `json` (one object a line, for machines) or `console` (for people).
        level: name of the lowest level kept, such as `INFO`.
    """
    renderer = _renderer(cast("Literal['json', 'console']", fmt))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
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
                    "foreign_pre_chain": _SHARED,
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "event"}
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # One line per request is the access log's; Django's own 4xx lines
                # would say the same again, with a traceback.
                "django.request": {"level": "CRITICAL"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                # It would tell every request to Label Studio's API, query and all.
                "httpx": {"level": "WARNING"},
            },
        }
    )


def _renderer(fmt: Literal["json", "console"]) -> Any:
    if fmt == "console":
        return structlog.dev.ConsoleRenderer(colors=False)
    return structlog.processors.JSONRenderer()
