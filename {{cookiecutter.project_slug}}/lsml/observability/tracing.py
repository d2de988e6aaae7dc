"""Traces for OpenTelemetry: from a request to everything that it causes.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set and requirements/tracing.txt is installed;
then nothing of OpenTelemetry is imported. docs/adr/0061-traces-and-errors.md says how
work that begins much later, in another process, finds the trace that it belongs to.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.conf import settings

if TYPE_CHECKING:
    from lsml.observability.spans import Tracing

_LIBRARY: Final = "opentelemetry.exporter.otlp.proto.http"
_NOTHING: Final = nullcontext()
_making = threading.Lock()

Value = str | int | float | bool

log = structlog.get_logger(__name__)


@cache
def why_off() -> str:
    """Return why nothing is traced although an endpoint is set; "" = no such reason."""
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT or _is_installed():
        return ""
    return (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed:"
        " no trace is sent. Install requirements/tracing.txt."
    )


@cache
def is_on() -> bool:
    """Return whether this process sends traces."""
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT) and not why_off()


def _is_installed() -> bool:
    try:
        return find_spec(_LIBRARY) is not None
    except ModuleNotFoundError:
        return False


def request(name: str, request_id: str) -> AbstractContextManager[Any]:
    """Trace a request of web. Its ids follow from the request's id."""
    tracing = _tracing()
    return tracing.root(name, request_id) if tracing else _NOTHING


def work(
    name: str, *, cause: Callable[[], str], **about: Value | None
) -> AbstractContextManager[Any]:
    """Trace work in the background, as part of the trace of what caused it.

    Args:
        name: The same for all work of a kind.
        cause: Returns the id of the request that caused it; "" = a trace of its own. It
            may query the database, and is called only if something is traced.
        about: Attributes; no data of tasks, no names of people.
    """
    tracing = _tracing()
    return tracing.caused(name, cause, about) if tracing else _NOTHING


def step(name: str, **about: Value | None) -> AbstractContextManager[Any]:
    """Trace a part of what is being traced in this thread, if anything is."""
    tracing = _tracing()
    return tracing.step(name, about) if tracing else _NOTHING


def continued(
    name: str, traceparent: str, **about: Value | None
) -> AbstractContextManager[Any]:
    """Trace what another process asked for, if that sent its `traceparent()`."""
    tracing = _tracing()
    if not (traceparent and tracing):
        return _NOTHING
    return tracing.continued(name, traceparent, about)


def traceparent() -> str:
    """Return what `continued` needs in another process; "" = nothing is traced."""
    tracing = _tracing()
    return tracing.traceparent() if tracing else ""


def link(request_ids: Callable[[], Iterable[str]]) -> None:
    """Link the work being traced in this thread to the requests that it is also for."""
    if tracing := _tracing():
        tracing.link(request_ids)


def flush() -> None:
    """Send what was not sent yet: this process ends without exit handlers."""
    if tracing := _tracing():
        tracing.flush()


def _tracing() -> "Tracing | None":
    """Return what makes spans; None if nothing is traced."""
    if not is_on():
        return None
    with _making:
        return _made()


@cache
def _made() -> "Tracing | None":
    # Made when it is first needed, so after the fork of a web process: the thread that
    # sends would not survive it.
    try:
        from lsml.observability.spans import Tracing

        return Tracing(settings.PROCESS)
    except Exception:
        # A setting that the library refuses, or a library of model.py that it cannot
        # work with. Requests and jobs must not fail because of it.
        log.exception("nothing is traced: OpenTelemetry does not start")
        return None
