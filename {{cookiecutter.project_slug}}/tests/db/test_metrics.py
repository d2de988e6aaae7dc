"""What /metrics tells: from the database by any process, and counted by web."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from lsml.audit.fields import first_id_at
from lsml.inference.hosting.figures import MODELS
from lsml.jobs import gauges, notify
from lsml.training.models import InboxEntry, TrainingRun
from tests.console import factory
from tests.db.conftest import order

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[2] / "docs" / "observability.md"


@pytest.fixture
def metrics(api):
    """Ask for /metrics; return the samples by name with labels, as written."""

    def ask():
        lines = api.get("/metrics").text.splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        assert len({name for name, _ in samples}) == len(samples)
        return {name: float(value) for name, value in samples}

    return ask


def run(of, state, **facts):
    now = timezone.now()
    given = {
        "trigger": "annotations",
        "requested_by": "policy",
        "created_at": now - timedelta(seconds=100),
        "started_at": now - timedelta(seconds=60),
    }
    return TrainingRun.objects.create(project=of, state=state, **given | facts)


def ended(of, state, seconds, *, ago=timedelta(hours=1)):
    at = timezone.now() - ago
    started_at = at - timedelta(seconds=seconds)
    return run(of, state, started_at=started_at, finished_at=at)


def waits(of, *ages_s, **facts):
    for age_s in ages_s:
        received_at = timezone.now() - timedelta(seconds=age_s)
        InboxEntry.objects.create(
            event_id=first_id_at(received_at),
            project=of,
            action="ANNOTATION_CREATED",
            received_at=received_at,
            **facts,
        )


# --- The inbox and jobs ---


def test_waiting_events_are_counted_by_what_they_wait_for(metrics):
    of, now = factory.project(), timezone.now()
    waits(of, 300, 20)
    waits(of, 10, payload_missing=True)
    waits(of, 4000, applied_at=now)
    waits(of, 90_000, applied_at=now, held=True)
    found = metrics()
    expected = {
        "received": (2, 300),
        "payload_missing": (1, 10),
        "applied": (1, 4000),
        "held": (1, 90_000),
    }
    for state, (number, age_s) in expected.items():
        assert found[f'lsml_inbox_events{{state="{state}"}}'] == number
        oldest = found[f'lsml_inbox_oldest_seconds{{state="{state}"}}']
        assert age_s <= oldest < age_s + 60


def test_an_empty_inbox_is_zero(metrics):
    found = metrics()
    assert found['lsml_inbox_events{state="received"}'] == 0
    assert found['lsml_inbox_oldest_seconds{state="received"}'] == 0


def test_jobs_are_counted_with_the_age_of_the_oldest(metrics):
    run(factory.project(), "queued")
    run(factory.project(labelstudio_id=2), "running")
    found = metrics()
    assert found['lsml_jobs{kind="training",state="queued"}'] == 1
    assert found['lsml_jobs{kind="training",state="running"}'] == 1
    assert found['lsml_jobs{kind="training",state="lost"}'] == 0
    assert found['lsml_jobs{kind="evaluation",state="queued"}'] == 0
    age = 'lsml_jobs_oldest_seconds{{kind="training",state="{}"}}'
    assert 100 <= found[age.format("queued")] < 160
    assert 60 <= found[age.format("running")] < 120


def test_the_lease_of_a_killed_worker_grows_old(metrics, settings):
    settings.TRAINING_LEASE_S = 12.0
    now = timezone.now()
    for number, left_s in ((1, 11), (2, -30)):  # one renews, one was killed
        expires = now + timedelta(seconds=left_s)
        run(factory.project(labelstudio_id=number), "running", lease_expires_at=expires)
    age = metrics()['lsml_job_lease_age_seconds{kind="training"}']
    assert 42 <= age < 100


def test_what_ended_today_is_counted_with_its_duration(metrics):
    of = factory.project()
    for seconds in (10, 20, 90):
        ended(of, "succeeded", seconds)
    ended(of, "failed", 5)
    ended(of, "failed", 5, ago=timedelta(hours=25))
    run(of, "cancelled", started_at=None, finished_at=timezone.now())
    found = metrics()
    assert found['lsml_jobs_ended_24h{kind="training",state="succeeded"}'] == 3
    assert found['lsml_jobs_ended_24h{kind="training",state="failed"}'] == 1
    assert found['lsml_jobs_ended_24h{kind="training",state="cancelled"}'] == 1
    assert found['lsml_jobs_ended_24h{kind="prediction",state="failed"}'] == 0
    seconds = 'lsml_job_seconds_24h{{kind="training",quantile="{}",state="{}"}}'
    assert found[seconds.format("0.5", "succeeded")] == 20
    assert found[seconds.format("1", "succeeded")] == 90
    assert seconds.format("1", "cancelled") not in found


def test_only_the_newest_jobs_are_read_for_what_ended(metrics, monkeypatch):
    of = factory.project()
    ended(of, "failed", 5)
    ended(of, "succeeded", 5)
    ended(of, "succeeded", 5)
    monkeypatch.setattr(gauges, "_NEWEST", 2)
    found = metrics()
    assert found['lsml_jobs_ended_24h{kind="training",state="succeeded"}'] == 2
    assert found['lsml_jobs_ended_24h{kind="training",state="failed"}'] == 0


# --- Versions ---


def test_versions_are_counted_and_the_promotion_of_the_served_one_is_dated(metrics):
    of = factory.project()
    first, second = factory.version(of), factory.version(of)
    now = timezone.now()
    factory.promote(of, first, now - timedelta(hours=2))
    factory.promote(of, second, now)
    factory.project(labelstudio_id=2)
    found = metrics()
    assert found['lsml_versions_total{project="1"}'] == 2
    assert found['lsml_versions_total{project="2"}'] == 0
    promoted = "lsml_served_version_timestamp_seconds"
    at = found[f'{promoted}{{project="1",version="v2"}}']
    assert at == pytest.approx(now.timestamp(), abs=1)
    assert [name for name in found if name.startswith(promoted)] == [
        f'{promoted}{{project="1",version="v2"}}'
    ]


# --- The database and the broker ---


def test_seven_statements_tell_everything_however_much_there_is(
    metrics, django_assert_num_queries
):
    for number in range(1, 4):
        of = factory.project(labelstudio_id=number)
        waits(of, 5, 6)
        run(of, "running")
    with django_assert_num_queries(7):
        metrics()


@pytest.mark.django_db(transaction=True)
def test_without_the_database_web_tells_that_and_what_it_counted(
    metrics, post, constant
):
    post("/predict", order(1))
    assert metrics()["lsml_database_up"] == 1
    with pytest.MonkeyPatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict, "HOST", "/nowhere/at/all")
        found = metrics()
    assert found["lsml_database_up"] == 0
    assert found['lsml_request_seconds_count{endpoint="predict",status="2xx"}'] >= 1
    assert 'lsml_inbox_events{state="received"}' not in found


@pytest.mark.parametrize("error", [ProgrammingError("no such column"), KeyError("v1")])
def test_figures_that_cannot_be_read_do_not_hide_the_others(
    metrics, monkeypatch, error, caplog
):
    def fail():
        raise error

    monkeypatch.setattr("lsml.api.views.job_metrics", fail)
    found = metrics()
    assert found["lsml_database_up"] == 1
    assert found['lsml_inbox_events{state="received"}'] == 0
    assert "lsml_sealing_lag_seconds" in found
    assert "metrics are missing" in caplog.text


def test_the_last_message_says_whether_the_broker_answers(metrics, monkeypatch):
    def refuse(*_, **__):
        raise OperationalError

    def accept(*_, **__):
        pass

    for send, expected in ((accept, 1), (refuse, 0), (accept, 1)):
        monkeypatch.setattr(notify, "breaker", notify.Breaker())
        monkeypatch.setattr(notify.current_app, "send_task", send)
        notify.notify("lsml.training.tasks.train", 1)
        assert metrics()["lsml_broker_up"] == expected


# --- Requests ---


def count(found, endpoint, status):
    labels = f'endpoint="{endpoint}",status="{status}"'
    return found.get(f"lsml_request_seconds_count{{{labels}}}", 0)


def test_requests_are_counted_by_endpoint_and_class_of_status(
    metrics, api, post, scripted
):
    def fail(_model, _tasks):
        raise ValueError("empty text")

    before = metrics()
    post("/predict", order(1))
    scripted.answer = fail
    post("/predict", order(1))
    post("/predict", [])
    api.get("/")
    api.get("/health")
    api.get("/api/v1/projects")
    after = metrics()
    changes = {
        (endpoint, status): count(after, endpoint, status)
        - count(before, endpoint, status)
        for endpoint in ("predict", "health", "api")
        for status in ("2xx", "4xx", "5xx")
    }
    assert {key: n for key, n in changes.items() if n} == {
        ("predict", "2xx"): 1,
        ("predict", "4xx"): 1,
        ("predict", "5xx"): 1,
        ("health", "2xx"): 2,
        ("api", "4xx"): 1,
    }


def test_a_path_that_somebody_made_up_adds_no_series(metrics, api):
    before = metrics()
    api.get("/wp-login.php")
    after = metrics()
    assert count(after, "other", "4xx") == count(before, "other", "4xx") + 1
    assert "wp-login" not in "".join(after)


# --- The documentation ---


def test_every_metric_is_documented_and_the_documented_ones_exist(api, post, constant):
    post("/predict", order(1))
    text = api.get("/metrics").text
    exported = set(re.findall(r"^# TYPE (lsml_\w+?)(?:_total)? ", text, re.MULTILINE))
    exported = {name for name in exported if not name.endswith("_created")}
    exported |= {each.name for each in MODELS.collect()}  # a part of gunicorn's folder
    # Only with model processes.
    exported |= {"lsml_model_process_up", "lsml_background_model_process_up"}
    told = re.findall(r"^\| (.+?) \|", DOCS.read_text(), re.MULTILINE)
    documented = {
        name.removesuffix("_total")
        for cell in told
        for name in re.findall(r"`(lsml_\w+)`", cell)
    }
    assert documented == exported
