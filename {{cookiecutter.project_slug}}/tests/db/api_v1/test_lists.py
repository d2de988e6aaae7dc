"""Lists of the operators' API: filtered, paged by key, streamed."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.registry.models import ModelVersion, Project
from lsml.registry.services import VersionFacts, register_version
from lsml.training.models import TrainingRun
from tests.db.audit.rows import a_prediction, hear, predict

LISTS = (
    "predictions",
    "events",
    "audit-entries",
    "projects",
    "promotions",
    "versions",
    "runs",
    "prediction-jobs",
    "evaluations",
    "prediction-problems",
    "answer-checks",
    "alarms",
    "error-groups",
    "audit-jobs",
    "seals",
)


def ids(reply):
    assert reply.status_code == 200, reply.content
    return [row["id"] for row in reply.json()["results"]]


@pytest.mark.parametrize("name", LISTS)
def test_each_list_answers_in_the_same_shape(viewer, name):
    reply = viewer.get(f"/api/v1/{name}")
    assert reply.json() == {
        "count": 0,
        "count_is_exact": True,
        "next": None,
        "results": [],
    }


def test_rows_are_listed_newest_first_by_default(viewer, five):
    keys = [row.pk for row in five]
    assert ids(viewer.get("/api/v1/predictions")) == keys[::-1]
    assert ids(viewer.get("/api/v1/predictions?order=oldest")) == keys


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_following_next_visits_each_row_once(viewer, five, order):
    url, seen = f"/api/v1/predictions?limit=2&order={order}", []
    while url:
        reply = viewer.get(url)
        seen += ids(reply)
        url = reply.json()["next"]
    assert sorted(seen) == [row.pk for row in five]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("task_id=1", 3),
        ("model_version=v2", 2),
        ("outcome=error&task_id=2", 2),
        ("request_id=request-9", 2),
        ("project_pk=77", 0),
        ("kind=batch&outcome=ok", 3),
    ],
)
def test_filters_are_combined(viewer, five, words, found):
    reply = viewer.get(f"/api/v1/predictions?{words}")
    assert len(ids(reply)) == reply.json()["count"] == found


def test_a_time_range_is_a_filter(viewer, five):
    soon = (timezone.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ids(viewer.get(f"/api/v1/predictions?since={soon}")) == []
    assert len(ids(viewer.get(f"/api/v1/predictions?until={soon}"))) == 5


@pytest.mark.parametrize(
    "words",
    [
        "outcome=good",
        "task=1",
        "limit=0",
        "limit=1001",
        "limit=x",
        "after=-1",
        "order=up",
        "since=yesterday",
        "format=xml",
        "task_id=x",
    ],
)
def test_a_wrong_parameter_is_refused_and_named(viewer, words):
    reply = viewer.get(f"/api/v1/predictions?{words}")
    assert reply.status_code == 400
    assert reply.json()["field"] == words.split("=")[0]
    assert reply.json()["request_id"]


def test_a_single_row_is_found_or_answered_with_404(viewer, five):
    key = five[0].pk
    assert viewer.get(f"/api/v1/predictions/{key}").json()["task_id"] == 1
    reply = viewer.get(f"/api/v1/predictions/{key - 1}")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_the_number_of_queries_does_not_grow_with_the_rows(
    viewer, django_assert_max_num_queries
):
    project = Project.objects.create(labelstudio_id=1)
    for number in range(1, 6):
        ModelVersion.objects.create(
            project=project,
            number=number,
            version=f"v{number}",
            created_at=timezone.now(),
        )
    with django_assert_max_num_queries(6):
        assert len(ids(viewer.get("/api/v1/versions"))) == 5


def streamed(reply):
    assert reply.status_code == 200
    return b"".join(reply.streaming_content).decode()


def test_all_rows_stream_as_json_lines(auditor, five, monkeypatch):
    monkeypatch.setattr("lsml.api.v1.streaming._BATCH", 2)
    text = streamed(auditor.get("/api/v1/predictions?format=jsonl&limit=2"))
    found = [json.loads(line)["id"] for line in text.splitlines()]
    assert found == [row.pk for row in five][::-1]


def test_all_rows_stream_as_csv(auditor, five):
    text = streamed(auditor.get("/api/v1/predictions?format=csv&outcome=error"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["task_id"] for row in rows] == ["2", "2"]
    assert json.loads(rows[0]["result"])[0]["type"] == "choices"


@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson", "text/html"])
def test_the_address_and_not_the_accept_header_chooses_the_format(
    auditor, five, accept
):
    reply = auditor.get("/api/v1/predictions?format=csv", HTTP_ACCEPT=accept)
    assert len(streamed(reply).splitlines()) == 6
    reply = auditor.get("/api/v1/predictions", HTTP_ACCEPT=accept)
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("before", ["", " ", "\n ", "\u00a0"])
def test_a_cell_never_starts_a_formula_in_a_spreadsheet(auditor, before):
    predict(error=f"{before}=HYPERLINK()")
    text = streamed(auditor.get("/api/v1/predictions?format=csv"))
    assert next(csv.DictReader(io.StringIO(text)))["error"] == f"'{before}=HYPERLINK()"


def test_an_event_contains_its_payload(viewer, db):
    event = hear(payload={"access_token": "***"})
    reply = viewer.get(f"/api/v1/events/{event.pk}")
    assert reply.json()["payload"] == {"access_token": "***"}


def test_a_prediction_is_explained_by_its_version_and_run(viewer, db):
    project = Project.objects.create(labelstudio_id=1)
    version = ModelVersion.objects.create(
        project=project, number=1, version="v1", created_at=timezone.now()
    )
    TrainingRun.objects.create(
        project=project,
        state="succeeded",
        trigger="person",
        requested_by="ana",
        created_at=timezone.now(),
        version=version,
    )
    Prediction.objects.bulk_create([a_prediction(project_pk=project.pk)])
    key = Prediction.objects.get().pk
    output = viewer.get(f"/api/v1/predictions/{key}/explain").json()
    assert output["version"]["version"] == "v1"
    assert output["run"]["requested_by"] == "ana"
    assert output["snapshot"] is None


def test_a_version_is_listed_with_its_metrics(viewer, db):
    from lsml.observability.origin import Origin

    project = Project.objects.create(labelstudio_id=1)
    register_version(
        project=project,
        facts=VersionFacts(metrics={"accuracy": 0.5}),
        at=timezone.now(),
        origin=Origin("request-1", "test"),
    )
    [row] = viewer.get(f"/api/v1/versions?project_pk={project.pk}").json()["results"]
    assert (row["version"], row["metrics"]) == ("v1", {"accuracy": 0.5})
    assert (
        viewer.get("/api/v1/audit-entries?verb=version%20created").json()["count"] == 1
    )
