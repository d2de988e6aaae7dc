"""A collector of OpenTelemetry and a Sentry, on loopback: what a service sends them."""

import gzip
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass

from tests.http_stub import HttpStub, http_stub

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Span:
    """A span as it was received. Ids are bytes; no parent is b""."""

    process: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    links: frozenset
    attributes: dict


class Receiver:
    def __init__(self, stub):
        self._stub = stub
        self.url = stub.url
        self.dsn = stub.url.replace("://", "://public-key@") + "/1"

    @property
    def bodies(self):
        return [
            gzip.decompress(body) if body.startswith(_GZIP) else body
            for body in list(self._stub.bodies)
        ]

    def spans(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        found = []
        for body in self.bodies:
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            for resource in request.resource_spans:
                process = _attributes(resource.resource)["service.name"]
                for scope in resource.scope_spans:
                    found += [_span(process, each) for each in scope.spans]
        return found

    def events(self):
        """Sentry's events. An envelope is a header, then items: header, payload."""
        found = []
        for body in self.bodies:
            _, *items = body.splitlines()
            for header, payload in zip(items[::2], items[1::2], strict=False):
                if json.loads(header)["type"] == "event":
                    found.append(json.loads(payload))
        return found

    def until(self, found, *, within_s=30):
        """Wait until `found()` returns something; return it."""
        deadline = time.monotonic() + within_s
        while not (result := found()):
            assert time.monotonic() < deadline, self.bodies
            time.sleep(0.1)
        return result


def _span(process, span):
    return Span(
        process,
        span.name,
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        frozenset(link.span_id for link in span.links),
        _attributes(span),
    )


def _attributes(described):
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value"))
        for each in described.attributes
    }


@contextmanager
def receiver():
    """Run a receiver; yield it."""
    answers = {"/v1/traces": b"", "/api/1/envelope/": b"{}"}
    with http_stub(HttpStub(answers=answers)) as stub:
        yield Receiver(stub)
