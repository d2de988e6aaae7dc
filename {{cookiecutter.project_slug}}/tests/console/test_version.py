"""The page of a version."""

import pytest

from lsml.audit.models import AuditEntry
from lsml.registry.models import ModelVersion
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        (0, "not held out"),
        (1, "1 held-out task is too few to tell"),
        (9, "9 held-out tasks are too few to tell"),
        (37, "37 tasks held out"),
        (1_200, "1,200 tasks held out"),
    ],
)
def test_what_was_held_out_is_shown_with_each_version(operator, held_out, words):
    story = factory.story(predictions=1)
    made = story["project"].versions.get(version="v2")
    ModelVersion.objects.filter(pk=made.pk).update(held_out_tasks=held_out)
    made.run.snapshot.held_out_task_count = held_out
    made.run.snapshot.save()
    shown = pages_of(operator, made)
    assert [address for address, text in shown.items() if words not in text] == []


def pages_of(client, made):
    """The pages that say what a version was trained on."""
    addresses = [
        detail_page(made),
        detail_page(made.run),
        detail_page(made.project),
        "/admin/registry/modelversion/",
        page("compare", made.pk) + "?with=v1",
        page("promote", made.project_id) + "?version=v2",
    ]
    return {address: client.get(address).text for address in addresses}


def test_notes_are_replaced_and_the_old_ones_kept(operator):
    made = factory.version(factory.project())
    operator.post(page("note", made.pk), {"notes": "first"})
    operator.post(page("note", made.pk), {"notes": "second"})
    made.refresh_from_db()
    assert made.notes == "second"
    last = AuditEntry.objects.filter(verb="version noted").order_by("-pk").first()
    assert last.detail == {"before": "first", "after": "second"}


def test_a_version_shows_its_matrix_its_labels_and_its_curves(viewer):
    shown = viewer.get(detail_page(factory.story(predictions=1)["latest"])).text
    for word in ("Confusion matrix", "Learning curves", "Per label", "sha256"):
        assert word in shown


@pytest.mark.parametrize("reported", [None, 3, [], {}, {"labels": ["a"], "rows": [[]]}])
def test_metrics_of_another_shape_do_not_break_the_page(viewer, reported):
    made = factory.version(factory.project())
    made.metrics = {"confusion_matrix": reported, "per_label": reported}
    made.save()
    assert viewer.get(detail_page(made)).status_code == 200


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


def test_checked_answers_that_do_not_fit_are_shown_with_the_last_one(viewer):
    made = factory.version(factory.project())
    check = factory.answer_check(made.project, made.version, checked=500, invalid=12)
    shown = viewer.get(detail_page(made)).text
    assert "12 of 500 checked answers of v1" in shown
    assert "Score must be between" in shown
    assert f"/admin/audit/prediction/{check.example_prediction_id}/change/" in shown
    assert "manage.py validate-model --project 1<" in shown


def test_checked_answers_that_all_fit_are_a_hint_only(viewer):
    made = factory.version(factory.project())
    factory.answer_check(made.project, made.version, checked=500, invalid=0)
    shown = viewer.get(detail_page(made)).text
    assert "500 live answers were checked: all fit" in shown
    assert "do not fit" not in shown
