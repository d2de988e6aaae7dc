"""What a running service sends to a collector of OpenTelemetry and to Sentry."""

import socket
import time

import pytest

from tests.receiver import receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRET_TEXT = "somebody is called Ada"
TASK = {"id": 1, "data": {"text": SECRET_TEXT}}


def only(spans, name):
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, (name, spans)
    return found[0]


@pytest.fixture
def collector():
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    with receiver() as running:
        yield running


@pytest.fixture
def traced(start_service, collector):
    return start_service(
        MODEL_PLACEMENT="process",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="200",
    )


def named(collector, name):
    return [span for span in collector.spans() if span.name == name]


def predict(service):
    body = {"tasks": [TASK], "project": "1.1795433940", "params": {}}
    return service.call("POST", "/predict", body)


def test_a_webhook_its_training_and_the_promotion_are_one_trace(traced, collector):
    traced.until_trained(traced.annotate(1, task=TASK))
    promotion = collector.until(lambda: named(collector, "promote"))[-1]
    collector.until(lambda: named(collector, "train"))
    spans = [span for span in collector.spans() if span.trace == promotion.trace]
    webhook = only(spans, "POST /webhook")
    applied = only(spans, "apply events")
    attempt = only(spans, "training")
    train = only(spans, "train")
    assert (webhook.parent, webhook.process) == (b"", "lsml-web")
    assert applied.parent == attempt.parent == webhook.id
    assert train.parent == promotion.parent == attempt.id
    assert webhook.id in applied.links & train.links
    assert {applied.process, attempt.process, train.process} == {"lsml-worker"}
    assert promotion.attributes["lsml.version"] == "v1"


def test_a_prediction_has_the_model_process_and_the_insert_in_its_trace(
    traced, collector
):
    while predict(traced)[0] != 200:
        pass
    collector.until(lambda: named(collector, "record predictions"))
    record = collector.until(lambda: named(collector, "record predictions"))[-1]

    def requests():
        """Those of web and of the model process, which send theirs separately."""
        found = [
            span
            for span in named(collector, "POST /predict")
            if span.trace == record.trace
        ]
        return sorted(found, key=lambda span: span.parent) if len(found) == 2 else []

    web, model = collector.until(requests)
    spans = [span for span in collector.spans() if span.trace == record.trace]
    call = only(spans, "predict")
    assert (web.process, model.process) == ("lsml-web", "lsml-model")
    assert call.parent == record.parent == web.id
    assert model.parent == call.id
    assert web.attributes["http.response.status_code"] == 200


def test_no_trace_has_data_of_a_task_or_a_name(traced, collector):
    traced.until_trained(traced.annotate(1, task=TASK))
    while predict(traced)[0] != 200:
        pass
    collector.until(lambda: named(collector, "promote"))
    collector.until(lambda: named(collector, "record predictions"))
    sent = b"".join(collector.bodies)
    for text in (SECRET_TEXT, "127.0.0.1", "e2e-xxxx", "sentiment"):
        assert text.encode() not in sent


def test_a_collector_that_never_answers_delays_no_prediction(start_service):
    """Sending a trace to it takes ten seconds; it accepts connections."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        service = start_service(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            OTEL_BSP_SCHEDULE_DELAY="50",
        )
        service.until_trained(service.annotate(1))
        for _ in range(3):
            started = time.monotonic()
            assert predict(service)[0] == 200
            assert time.monotonic() - started < 5


def test_a_failing_prediction_reaches_sentry_without_the_task(start_service):
    pytest.importorskip("sentry_sdk")
    with receiver() as sentry:
        service = start_service(
            MODEL_CLASS="tests.models.quoting.Quoting", SENTRY_DSN=sentry.dsn
        )
        status, answer = predict(service)
        assert status == 500
        (event, *_) = sentry.until(sentry.events)
    assert event["tags"]["request_id"] == answer["request_id"]
    assert event["tags"]["logged"] == "request failed"
    kinds = [error["type"] for error in event["exception"]["values"]]
    assert "ValueError" in kinds
    sent = b"".join(sentry.bodies)
    for text in (SECRET_TEXT, "e2e-xxxx", "127.0.0.1"):
        assert text.encode() not in sent
