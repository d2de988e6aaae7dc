"""Pages that put together what several tables know."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.console.pages.compare import differences
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


def test_the_timeline_pages_through_everything_once_and_in_order(viewer):
    of = factory.story(predictions=1)["project"]
    address, seen = page("timeline", of.pk), []
    before = ""
    while before is not None:
        shown = viewer.get(address, {"before": before}).context
        seen += shown["entries"]
        before = shown["older"]
    assert len(seen) == len({(e.kind, e.address) for e in seen})
    assert [e.key for e in seen] == sorted((e.key for e in seen), reverse=True)
    assert {e.kind for e in seen} == {"event", "run", "promotion", "entry"}


def test_the_timeline_shows_one_kind_when_asked(viewer):
    of = factory.story(predictions=1)["project"]
    shown = viewer.get(page("timeline", of.pk), {"kind": "run"}).context["entries"]
    assert {entry.kind for entry in shown} == {"run"}


def test_two_versions_differ_where_they_said_something_else(viewer):
    of = factory.project()
    left, right = factory.version(of, accuracy=0.7), factory.version(of, accuracy=0.8)
    now = timezone.now()
    said = {1: ("Positive", "Positive"), 2: ("Positive", "Negative")}
    Prediction.objects.bulk_create(
        factory.prediction(
            of,
            at=now - timedelta(seconds=n),
            n=10 * n + side,
            task_id=task,
            model_version=made.version,
            result=factory.choice(labels[side], score=0.5 + side / 10),
        )
        for n, (task, labels) in enumerate(said.items())
        for side, made in enumerate((left, right))
    )
    shared, different = differences(left, right)
    assert shared == 2
    assert [row.task_id for row in different] == [2]
    shown = viewer.get(page("compare", left.pk), {"with": right.version})
    assert "1 of 2 tasks" in shown.text


def test_a_version_shows_its_matrix_its_labels_and_its_curves(viewer):
    shown = viewer.get(detail_page(factory.story(predictions=1)["latest"])).text
    for word in ("Confusion matrix", "Learning curves", "Per label", "sha256"):
        assert word in shown


@pytest.mark.parametrize("reported", [None, 3, [], {}, {"labels": ["a"], "rows": [[]]}])
def test_metrics_of_another_shape_cost_a_picture_not_the_page(viewer, reported):
    made = factory.version(factory.project())
    made.metrics = {"confusion_matrix": reported, "per_label": reported}
    made.save()
    assert viewer.get(detail_page(made)).status_code == 200


def test_home_says_what_is_wrong(viewer):
    story = factory.story(predictions=100)
    of = story["project"]
    story["latest"].missing_labels = ["Spam"]
    story["latest"].save()
    home = viewer.get("/admin/").text
    assert "the config has lost labels of v3" in home
    assert "predictions failed" in home
    assert "only one class" in home
    of.runs.filter(state="running").update(state="succeeded")
    of.inbox.update(received_at=timezone.now() - timedelta(hours=1))
    assert "no run has taken them" in viewer.get("/admin/").text


def test_a_fragment_of_a_finished_run_asks_for_no_more(viewer):
    story = factory.story(predictions=1)
    running = viewer.get(page("job_progress", "training", story["running"].pk)).text
    finished = viewer.get(page("job_progress", "training", story["runs"][0].pk)).text
    assert "data-poll" in running
    assert "data-poll" not in finished


def test_the_prediction_page_allows_images_from_its_tasks_host_only(viewer):
    of = factory.project(hostname="")
    of.label_config = (
        '<View><Image name="i" value="$image"/>'
        '<RectangleLabels name="r" toName="i"><Label value="Cat"/></RectangleLabels>'
        "</View>"
    )
    of.save()
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["Cat"]}
    row = factory.prediction(
        of,
        at=timezone.now(),
        result=[
            {"type": "rectanglelabels", "from_name": "r", "to_name": "i", "value": box}
        ],
        input={"image": "https://pictures.example/1.png"},
    )
    row.save()
    policy = viewer.get(detail_page(row))["Content-Security-Policy"]
    assert "img-src 'self' data: https://pictures.example;" in policy + ";"
    elsewhere = viewer.get("/admin/")["Content-Security-Policy"]
    assert "pictures.example" not in elsewhere


def test_numbers_reported_flat_become_the_matrix_and_the_scores_per_label(viewer):
    made = factory.version(factory.project())
    made.metrics = {
        "accuracy": 0.9, "f1/Bad": 0.8, "f1/Good": 0.7,
        "confusion/Bad/Bad": 41, "confusion/Bad/Good": 3, "confusion/Good/Good": 57,
    }  # fmt: skip
    made.save()
    shown = viewer.get(detail_page(made)).context
    assert ">41<" in shown["confusion"]
    assert shown["per_label"] == [
        ("Bad", [None, None, 0.8, None]),
        ("Good", [None, None, 0.7, None]),
    ]
    assert [row["name"] for row in shown["metrics"]] == ["accuracy"]
