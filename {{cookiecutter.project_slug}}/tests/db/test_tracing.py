"""Traces cost no query of a request, and belong to the request that caused them."""

import pytest

from lsml.audit.models import WebhookEvent
from lsml.inference.bulk.calls import Calls
from lsml.inference.hosting.watch import in_time
from lsml.observability import tracing
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.training.inbox.process import process_waiting_events
from lsml.training.models import TrainingRun
from lsml.training.runs import kind, start_run
from tests.receiver import receiver

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
pytestmark = pytest.mark.django_db


@pytest.fixture
def collector(settings, monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    cached = (tracing.is_on, tracing.why_off, tracing._made)
    with receiver() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = running.url
        for each in cached:
            each.cache_clear()
        yield running
        tracing._made()._provider.shutdown()
        for each in cached:
            each.cache_clear()


def annotate(post, number):
    body = {
        "action": "ANNOTATION_CREATED",
        "project": {"id": 1, "created_at": "2026-11-23T11:39:00Z"},
        "annotation": {"id": number, "task": number, "result": []},
        "task": {"id": number, "data": {"text": "hm"}},
    }
    answer = post("/webhook", body)
    assert answer.status_code == 200
    return answer.headers["X-Request-ID"]


def predict(post):
    task = {"id": 1, "data": {"text": "hm"}}
    body = {"tasks": [task], "project": "1.1795433940", "params": {}}
    assert post("/predict", body).status_code == 200


def test_a_traced_request_takes_one_statement(
    collector, post, constant, django_assert_num_queries
):
    for _ in range(2):  # creates the project and loads the model
        predict(post)
        annotate(post, 1)
    with django_assert_num_queries(1):
        predict(post)
    with django_assert_num_queries(1):
        annotate(post, 1)
    tracing.flush()
    assert {"POST /predict", "POST /webhook"} <= {s.name for s in collector.spans()}


def test_health_checks_are_not_traced(collector, post, api):
    api.get("/health")
    annotate(post, 1)
    tracing.flush()
    assert {span.name for span in collector.spans()} == {"POST /webhook"}


def run_of(event_request):
    project_pk = WebhookEvent.objects.get(request_id=event_request).project_pk
    process_waiting_events(project_pk)
    return TrainingRun.objects.get()


def test_a_run_belongs_to_the_newest_event_that_it_was_opened_for(post):
    annotate(post, 1)
    newest = annotate(post, 2)
    run = run_of(newest)
    annotate(post, 3)
    assert kind.cause(run) == newest


def test_a_run_belongs_to_the_request_of_the_person_who_started_it(post):
    event = WebhookEvent.objects.get(request_id=annotate(post, 1))
    project = Project.objects.get(pk=event.project_pk)
    run = start_run(project=project, actor="ada", origin=Origin("a-request", "ada ::1"))
    assert kind.cause(run) == "a-request"


def test_work_continues_although_its_cause_cannot_be_read(collector):
    def cause():
        raise LookupError

    with tracing.work("a job", cause=cause):
        worked = True
    assert worked


def test_a_step_outside_of_a_trace_is_not_sent(collector):
    with tracing.step("a part"):
        assert tracing.traceparent() == ""
    tracing.flush()
    assert collector.spans() == []


def trace_id():
    return tracing.traceparent().split("-")[1]


def test_calls_that_a_job_makes_at_once_belong_to_its_trace(collector):
    calls = Calls(lambda asked, pause: trace_id(), pause=lambda seconds: None)
    calls.at_once = 2
    with tracing.work("a job", cause=str):
        calls.start([], [{"id": 1}])
        assert calls.next().found.result().predicted == trace_id()
    calls.close()


def test_what_a_model_does_in_a_worker_belongs_to_the_trace_of_the_job(
    collector, settings
):
    settings.PROCESS = "worker"
    with tracing.work("a job", cause=str):
        assert in_time(trace_id, "predict()") == trace_id()
