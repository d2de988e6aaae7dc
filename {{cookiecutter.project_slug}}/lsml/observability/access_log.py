"""The access log: a line for each request, written by lsml/api/monitoring.py."""

import logging
import sys
from typing import Any, Final

import orjson
import structlog
from django.http import HttpRequest

_NAME: Final = "lsml.access"
_FACTS: Final = "lsml.facts"  # key in META


def access_logger(fmt: str) -> Any:
    """Return the logger of the access log, as LOG_FORMAT and LOG_LEVEL say.

    Lines in JSON are written to standard error without the standard library's logging
    and the masking of each field, which would take longer than all the rest.
    """
    if fmt != "json":
        return structlog.get_logger(_NAME)
    level = logging.getLogger(_NAME).getEffectiveLevel()
    logger = structlog.wrap_logger(
        structlog.BytesLogger(sys.stderr.buffer),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger.bind(logger=_NAME)


def describe(request: HttpRequest, **facts: object) -> None:
    """Add facts that an endpoint knows, such as the project, to the request's line.

    Args:
        request: The request.
        facts: By name. None is left out.
    """
    known = request.META.setdefault(_FACTS, {})
    known.update({name: str(fact) for name, fact in facts.items() if fact is not None})


def facts_of(request: HttpRequest) -> dict[str, str]:
    """Return the facts that `describe` was given."""
    facts: dict[str, str] = request.META.get(_FACTS, {})
    return facts
