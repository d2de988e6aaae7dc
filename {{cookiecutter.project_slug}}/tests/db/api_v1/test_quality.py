"""/api/v1/projects/<id>/quality: the served version on held-out tasks, and live."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from lsml.dataset.models import LiveAgreementDay
from lsml.quality.models import DriftCheck, Evaluation
from tests.db.audit.rows import predict

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(project):
    return f"/api/v1/projects/{project.pk}/quality"


def live(project, version):
    LiveAgreementDay.objects.create(
        project=project,
        model_version=version,
        day=timezone.now().date(),
        sums={
            "overall": {"": [4, 3, 3]},
            "controls": {"topic": [4, 3, 3]},
            "annotators": {"3": [4, 3, 3]},
            "labels": {"topic: A": [3, 2, 1, 0]},
            "scores": {"8": [4, 3.4, 3]},
        },
    )


def test_live_agreement_is_given_with_intervals_and_labels(viewer, url, project):
    live(project, "0.0.1")
    reply = viewer.get(url)
    assert reply.status_code == 200
    assert reply.json()["held_out"] is None
    assert reply.json()["drop"] is None
    [found] = reply.json()["live"]
    assert (found["version"], found["annotations"]) == ("0.0.1", 4)
    assert found["agreement"] == [0.75, 0, 1]  # too few to tell
    assert found["days"][0]["agreement"] == 0.75
    assert [(one["user_id"], one["annotations"]) for one in found["annotators"]] == [
        (3, 4)
    ]
    assert found["annotators"][0]["agreement"] == found["agreement"]
    assert found["labels"][0]["precision"] == pytest.approx(2 / 3)
    assert found["calibration"] == [
        {
            "low": 0.8,
            "high": 0.9,
            "annotations": 4,
            "score": pytest.approx(0.85),
            "agreement": 0.75,
        }
    ]
    assert found["calibration_error"] == pytest.approx(0.1)


def test_the_latest_evaluation_of_the_served_version_is_given(viewer, url, project):
    now = timezone.now()
    version = project.versions.create(number=1, version="v1", created_at=now)
    project.active_version = version
    project.save()
    scores = [{"score": [0.96, 0.83, 0.99]}, {"score": None}]
    evaluation = Evaluation.objects.create(
        project=project,
        version=version,
        state="succeeded",
        verdict="passed",
        task_count=31,
        report={"versions": scores},
        requested_by="test",
        created_at=now,
        finished_at=now,
    )
    in_shadow = Evaluation.objects.get()
    in_shadow.pk, in_shadow.compared_on = None, "shadow"
    in_shadow.save()
    held_out = viewer.get(url).json()["held_out"]
    assert held_out["evaluation_id"] == evaluation.pk
    assert (held_out["compared_with"], held_out["tasks"]) == ("0.0.1", 31)
    assert held_out["score"] == [0.96, 0.83, 0.99]
    assert held_out["score_compared_with"] is None


def drifted(project):
    feature = {
        "name": "Length of text",
        "live": "median 420 characters",
        "reference": "median 80 characters",
        "live_tasks": 60,
        "reference_tasks": 90,
        "divergence": 0.4,
        "threshold": 0.1,
        "stays_above": 0.05,
        "differs": True,
        "sentence": "Length of text differs.",
    }
    DriftCheck.objects.create(
        project=project,
        model_version="0.0.1",
        checked_at=timezone.now(),
        latest_prediction=1,
        live_tasks=60,
        features=[feature],
        notes=["title is not compared."],
    )
    return feature


def test_the_latest_check_for_drift_is_given(viewer, url, project):
    assert viewer.get(url).json()["drift"] is None
    feature = drifted(project)
    found = viewer.get(url).json()["drift"]
    assert found["features"] == [feature]
    assert found["summary"] == "Length of text differs."
    assert (found["live_tasks"], found["notes"]) == (60, ["title is not compared."])


def test_the_expected_agreement_of_unannotated_predictions_is_given(
    viewer, url, project
):
    assert viewer.get(url).json()["expected"]["agreement"] is None
    live(project, "0.0.1")
    LiveAgreementDay.objects.update(
        sums={"overall": {"": [60, 45, 45]}, "scores": {"8": [60, 51, 45]}}
    )
    predict(project_pk=project.pk, model_version="0.0.1", score=0.85)
    found = viewer.get(url).json()["expected"]
    assert found["agreement"][0] == 0.75
    assert (found["version"], found["predictions"]) == ("0.0.1", 1)


def test_an_unknown_project_is_not_found(viewer):
    assert (
        viewer.get("/api/v1/projects/99999999999999999999/quality").status_code == 404
    )


def test_agreement_with_what_was_not_shown_is_given_beside_the_other(
    viewer, url, project
):
    live(project, "0.0.1")
    day = LiveAgreementDay.objects.get()
    day.sums["not_shown"] = {"": [20, 10, 10]}
    day.save()
    [found] = viewer.get(url).json()["live"]
    assert found["annotations"] == 4
    assert found["not_shown"]["annotations"] == 20
    assert found["not_shown"]["agreement"] == pytest.approx([0.5, 0.30, 0.70], abs=0.01)
    assert found["not_shown"]["difference"][0] == pytest.approx(0.25)
    assert "cannot be told from chance" in found["not_shown"]["meaning"]


def test_the_command_gives_the_same_figures_as_json(viewer, url, project):
    live(project, "0.0.1")
    output = StringIO()
    call_command("quality", project=project.labelstudio_id, json=True, stdout=output)
    given, printed = viewer.get(url).json(), json.loads(output.getvalue())
    for name in ("served_version", "live", "expected", "drop"):
        assert printed[name] == given[name], name


def test_under_drift_the_expected_agreement_has_a_warning(viewer, url, project):
    assert viewer.get(url).json()["expected"]["warning"] == ""
    drifted(project)
    assert "Do not rely on" in viewer.get(url).json()["expected"]["warning"]
