"""Spans, with OpenTelemetry's libraries. Only `tracing.py` imports this, if it is on.

The libraries read OTEL_EXPORTER_OTLP_…, OTEL_TRACES_SAMPLER and OTEL_SERVICE_NAME.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import RandomIdGenerator, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_FLUSH_S: Final = 2.0
_TRACEPARENT: Final = "traceparent"
_W3C: Final = TraceContextTextMapPropagator()
_About = Mapping[str, str | int | float | bool | None]

log = structlog.get_logger(__name__)


class Tracing:
    """Makes the spans of this process, and sends them."""

    def __init__(self, process: str) -> None:
        named = Resource.create({"service.name": f"lsml-{process}"})
        self._ids = _Ids()
        self._provider = TracerProvider(
            id_generator=self._ids,
            resource=named.merge(OTELResourceDetector().detect()),
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # For spans of model.py.
        trace.set_tracer_provider(self._provider)
        self._tracer = self._provider.get_tracer("lsml")

    @contextmanager
    def root(self, name: str, request_id: str) -> Iterator[trace.Span]:
        """Trace a request."""
        about = {"request_id": request_id}
        with self._ids.given(*_ids_of(request_id)):
            span = self._start(name, Context(), about, SpanKind.SERVER)
        with _current(span):
            yield span

    @contextmanager
    def caused(
        self, name: str, cause: Callable[[], str], about: _About
    ) -> Iterator[trace.Span]:
        """Trace work that a request caused, or work of its own."""
        request_id = "".join(_told(lambda: [cause()]))
        parent = Context()
        if request_id:
            remote = trace.NonRecordingSpan(self._context_of(request_id))
            parent = trace.set_span_in_context(remote, parent)
        with _current(self._start(name, parent, about, SpanKind.CONSUMER)) as span:
            yield span

    @contextmanager
    def step(self, name: str, about: _About) -> Iterator[trace.Span | None]:
        """Trace a part of what is being traced."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield None
            return
        with _current(self._start(name, None, about)) as span:
            yield span

    @contextmanager
    def continued(
        self, name: str, traceparent: str, about: _About
    ) -> Iterator[trace.Span]:
        """Trace what another process asked for."""
        parent = _W3C.extract({_TRACEPARENT: traceparent}, Context())
        with _current(self._start(name, parent, about, SpanKind.SERVER)) as span:
            yield span

    def traceparent(self) -> str:
        """Return the current span as W3C Trace Context writes it."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get(_TRACEPARENT, "")

    def link(self, request_ids: Callable[[], Iterable[str]]) -> None:
        """Link the current span to the spans of requests."""
        span = trace.get_current_span()
        if span.is_recording():
            for request_id in _told(request_ids):
                span.add_link(self._context_of(request_id))

    def flush(self) -> None:
        """Send what was not sent yet, or give up after two seconds."""
        # The library's own time-out does not end an attempt to send.
        sending = threading.Thread(target=self._provider.force_flush, daemon=True)
        sending.start()
        sending.join(_FLUSH_S)

    def _start(
        self,
        name: str,
        parent: Context | None,
        about: _About,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> trace.Span:
        known = {
            f"lsml.{fact}": value for fact, value in about.items() if value is not None
        }
        return self._tracer.start_span(name, parent, kind, known)

    def _context_of(self, request_id: str) -> SpanContext:
        """Return where the span of a request is, or was."""
        trace_id, span_id = _ids_of(request_id)
        # It was sent if the sampler chose it, which depends on the trace's id alone.
        chosen = self._provider.sampler.should_sample(Context(), trace_id, "")
        return SpanContext(
            trace_id,
            span_id,
            is_remote=True,
            trace_flags=TraceFlags(chosen.decision.is_sampled()),
        )


class _Ids(RandomIdGenerator):
    """Random ids, but for the span of a request."""

    def __init__(self) -> None:
        self._given: ContextVar[tuple[int, int] | None] = ContextVar(
            "given", default=None
        )

    @contextmanager
    def given(self, trace_id: int, span_id: int) -> Iterator[None]:
        """Let a span that starts in the block have these ids."""
        token = self._given.set((trace_id, span_id))
        try:
            yield
        finally:
            self._given.reset(token)

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        given = self._given.get()
        made: int = given[0] if given else super().generate_trace_id()
        return made

    def generate_span_id(self) -> int:
        """Return the id of a new span."""
        given = self._given.get()
        made: int = given[1] if given else super().generate_span_id()
        return made


def _ids_of(request_id: str) -> tuple[int, int]:
    """Return trace id and span id of a request's span.

    Not the request's id as it is: in a UUID some bits are fixed, by which samplers
    choose.
    """
    digest = hashlib.sha256(request_id.encode()).hexdigest()
    return int(digest[:32], 16), int(digest[32:48], 16)


@contextmanager
def _current(span: trace.Span) -> Iterator[trace.Span]:
    """Let spans of the block be parts of this one, and end it.

    The kind of an exception is an attribute. Its text may quote a task.
    """
    with trace.use_span(
        span, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


def _told(ask: Callable[[], Iterable[str]]) -> list[str]:
    """Return what a query finds. Work must not fail because its trace is not known."""
    try:
        return list(ask())
    except Exception as error:  # noqa: BLE001 - of the database
        log.warning("the cause is not traced", error=str(error).strip())
        return []
