"""Configures logging: events with fields, on standard error. Called by the settings."""

import logging.config
import re
from collections.abc import Callable
from typing import Any, Literal, cast

import structlog

# PostgreSQL's error details quote the refused row, which may contain a task's data.
# Matches up to the next exception of a chain.
_ROW_VALUES = re.compile(
    r"^(?:DETAIL|CONTEXT): .*?(?=\n\n(?:The above exception|During handling)|\Z)",
    re.MULTILINE | re.DOTALL,
)
# Characters that control a terminal, end a line or reverse it. A caller may have sent
# them, in a path for example. (JSON escapes what matters there.)
_NOT_SHOWN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_CELERY = ("celery.beat", "celery.worker.strategy", "celery.app.trace")
_ERRORS = frozenset({"error", "exception", "critical", "fatal"})
_NAMED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
]
_WRITTEN: list[Any] = [
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_config(
    *,
    fmt: str,
    level: str,
    mask: Callable[[str], str],
    report: Callable[[dict[str, Any]], object] | None = None,
) -> None:
    """Send structlog's and the standard library's records through one formatter.

    Args:
        fmt: `json` (one object per line, for machines) or `console` (for people).
        level: name of the lowest level that is logged, such as `INFO`.
        mask: removes secrets from a text. It is applied to each field, because an error
            of the user's code or of a library may quote a URL with credentials.
        report: gets what is logged as an error, with its exception.
    """
    reporting = [_reporting(report)] if report else []
    shared = [*_NAMED, *reporting, *_WRITTEN, _without_row_values, _masking(mask)]
    celery = level if level == "DEBUG" else "WARNING"
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
                # RequestIdMiddleware logs answers of 500 and more with the request id.
                # Django's own lines would repeat them, and also report 4xx.
                "django.request": {"level": "CRITICAL"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                # At INFO they log each message of beat, 100 lines a minute. What a task
                # does, the task logs itself; a task that fails is an error here.
                **{name: {"level": celery} for name in _CELERY},
                # At INFO it logs every request to Label Studio's API with its query.
                "httpx": {"level": "WARNING"},
                # A worker that stops puts back a message that it gets too late. It
                # warns of an "undeliverable message", although nothing is lost.
                "kombu.transport.virtual.base": {"level": "ERROR"},
            },
        }
    )


def _without_row_values(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    if "exception" in event:
        event["exception"] = _ROW_VALUES.sub("DETAIL: not logged", event["exception"])
    return event


def _reporting(report: Callable[[dict[str, Any]], object]) -> Any:
    def report_errors(_: Any, level: str, event: dict[str, Any]) -> dict[str, Any]:
        if level in _ERRORS:
            report(event)
        return event

    return report_errors


def _masking(mask: Callable[[str], str]) -> Any:
    def mask_fields(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {
            # Fields with an underscore belong to the formatter and are not logged.
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
        render = structlog.dev.ConsoleRenderer(colors=False)
        return lambda *event: _NOT_SHOWN.sub(_escaped, render(*event))
    return structlog.processors.JSONRenderer()


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
