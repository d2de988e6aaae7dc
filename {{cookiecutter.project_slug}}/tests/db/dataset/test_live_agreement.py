"""Annotations are compared with what annotators saw, and added up by day."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from lsml.dataset import live
from lsml.dataset.agreement import update_agreements
from lsml.dataset.live import add
from lsml.dataset.models import Annotation, LiveAgreement, LiveAgreementDay
from lsml.registry.models import Project
from tests.db.audit.rows import predict

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def region(control, kind, value):
    return {"from_name": control, "to_name": "t", "type": kind, "value": value}


def choice(name):
    return region("topic", "choices", {"choices": [name]})


def text(written):
    return region("note", "textarea", {"text": [written]})


@pytest.fixture
def project():
    return Project.objects.create(labelstudio_id=1)


@pytest.fixture
def predicted(project):
    def make(*result, version="v1", at=NOON, **facts):
        given = {"project_pk": project.pk, "task_id": 7, "created_at": at, **facts}
        return predict(model_version=version, result=list(result), **given)[0]

    return make


@pytest.fixture
def annotate(project):
    """Store an annotation and compare it."""

    def annotate(*result, number=11, at=NOON + MINUTE, **facts):
        facts = {"task_id": 7, "created_at": at, "updated_at": at, **facts}
        Annotation.objects.update_or_create(
            project=project,
            annotation_id=number,
            defaults={"result": list(result), **facts},
        )
        update_agreements(project=project, annotation_ids=[number])

    return annotate


def days():
    rows = LiveAgreementDay.objects.order_by("day", "model_version")
    return [(row.model_version, row.day.day, row.sums["overall"][""]) for row in rows]


def test_only_the_last_prediction_before_the_annotation_counts(annotate, predicted):
    predicted(choice("B"), version="v1")
    predicted(choice("A"), version="v2", at=NOON + MINUTE / 2)
    predicted(choice("B"), version="v3", at=NOON + 2 * MINUTE)
    annotate(choice("A"))
    assert days() == [("v2", 2, [1, 1.0, 1.0])]


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "shadow"},
        {"kind": "interactive"},
        {"outcome": "error"},
        {"task_id": 8},
        {"project_pk": 0},
    ],
    ids=str,
)
def test_what_the_annotator_did_not_see_does_not_count(annotate, predicted, facts):
    predicted(choice("A"), **facts)
    annotate(choice("A"))
    assert days() == []


def test_a_prediction_that_is_no_longer_among_the_latest_of_its_version_counts(
    annotate, predicted
):
    predicted(choice("A"))
    predicted(choice("B"), at=NOON + DAY)
    annotate(choice("A"))
    assert days() == [("v1", 2, [1, 1.0, 1.0])]


def test_sums_are_kept_by_control_label_and_tenth_of_the_score(annotate, predicted):
    predicted(choice("A"), text("same"), score=0.87)
    annotate(choice("B"), text("same"))
    assert LiveAgreementDay.objects.get().sums == {
        "overall": {"": [1, 0.5, 0.25]},
        "controls": {"topic": [1, 0.0, 0.0], "note": [1, 1.0, 1.0]},
        "labels": {"topic: A": [1, 0, 1, 0], "topic: B": [1, 0, 0, 1]},
        "scores": {"8": [1, 0.87, 0.5]},
    }


def test_the_day_is_that_of_the_annotation_in_utc(annotate, predicted):
    predicted(choice("A"))
    annotate(choice("A"), at=datetime.fromisoformat("2026-11-05T00:30+02:00"))
    assert days() == [("v1", 4, [1, 1.0, 1.0])]


def test_a_changed_annotation_is_counted_once(annotate, predicted):
    predicted(choice("A"))
    annotate(choice("A"))
    annotate(choice("B"))
    assert days() == [("v1", 2, [1, 0.0, 0.0])]


@pytest.mark.parametrize("facts", [{"deleted_at": NOON}, {"was_cancelled": True}])
def test_a_deleted_or_skipped_annotation_leaves_nothing(annotate, predicted, facts):
    predicted(choice("A"))
    annotate(choice("A"))
    annotate(choice("A"), **facts)
    assert days() == []
    assert not LiveAgreement.objects.exists()


def annotators():
    return LiveAgreementDay.objects.get().sums.get("annotators")


def labels():
    return LiveAgreementDay.objects.get().sums.get("labels")


def test_annotators_are_apart_and_others_are_not_counted(annotate, predicted):
    predicted(choice("A"))
    annotate(choice("A"), number=11, completed_by=3)
    annotate(choice("B"), number=12, completed_by=3)
    annotate(choice("A"), number=13, completed_by=4)
    annotate(choice("A"), number=14)
    assert annotators() == {"3": [2, 1.0, 1.0], "4": [1, 1.0, 1.0]}


def test_an_annotation_that_another_person_changes_counts_for_that_one(
    annotate, predicted
):
    predicted(choice("A"))
    annotate(choice("A"), completed_by=3)
    annotate(choice("B"), completed_by=4)
    assert annotators() == {"4": [1, 0.0, 0.0]}


def test_a_day_names_a_bounded_number_of_annotators(annotate, predicted, monkeypatch):
    monkeypatch.setattr(live, "ANNOTATORS_MAX", 2)
    predicted(choice("A"))
    for person in (3, 4, 5, 6, 3):
        annotate(choice("A"), number=10 + person, completed_by=person)
    assert annotators() == {"3": [1, 1, 1], "4": [1, 1, 1], "": [2, 2, 2]}
    annotate(choice("A"), number=14, completed_by=4, was_cancelled=True)
    annotate(choice("A"), number=15, completed_by=5, was_cancelled=True)
    assert annotators() == {"3": [1, 1, 1], "": [1, 1, 1]}


def test_a_day_names_a_bounded_number_of_labels(annotate, predicted, monkeypatch):
    monkeypatch.setattr(live, "LABELS_MAX", 2)
    predicted(choice("A"))
    for number, label in enumerate("ABCAC", 11):
        annotate(choice(label), number=number)
    assert labels() == {"topic: A": [5, 2, 3, 0], "topic: B": [1, 0, 0, 1]}
    annotate(choice("B"), number=12, was_cancelled=True)
    annotate(choice("C"), number=13, was_cancelled=True)
    assert labels() == {"topic: A": [3, 2, 1, 0]}


def test_a_day_names_a_bounded_number_of_controls(annotate, predicted, monkeypatch):
    def rating(control):
        return region(control, "rating", {"rating": 3})

    def controls():
        return LiveAgreementDay.objects.get().sums["controls"]

    monkeypatch.setattr(live, "CONTROLS_MAX", 2)
    predicted(*map(rating, "abc"))
    annotate(*map(rating, "abcd"), number=11)
    annotate(*map(rating, "bcd"), number=12)
    assert controls() == {"a": [2, 1.0, 1.0], "b": [2, 2.0, 2.0]}
    assert LiveAgreement.objects.get(annotation_id=11).sums["controls"].keys() == {
        *"ab"
    }
    assert days() == [("v1", 2, [2, pytest.approx(1.25), pytest.approx(0.8125)])]
    annotate(*map(rating, "bcd"), number=12, was_cancelled=True)
    assert controls() == {"a": [1, 1.0, 1.0], "b": [1, 1.0, 1.0]}


@pytest.mark.parametrize(
    "seed",
    [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4, 5))],
)
def test_the_days_are_always_the_sum_of_the_rows(
    annotate, predicted, seed, monkeypatch
):
    monkeypatch.setattr(live, "ANNOTATORS_MAX", 2)
    monkeypatch.setattr(live, "LABELS_MAX", 2)
    monkeypatch.setattr(live, "CONTROLS_MAX", 1)
    dice = random.Random(seed)

    def result():
        return [choice(dice.choice("ABC")), text(dice.choice(["x", "xy", "xyz"]))]

    for step in range(60):
        at = NOON + step * DAY / 20
        if dice.random() < 0.4:
            predicted(
                *result(),
                version=dice.choice(["v1", "v2"]),
                task_id=dice.randint(1, 4),
                kind=dice.choice(["batch", "bulk", "shadow"]),
                score=dice.random(),
                at=at,
            )
        else:
            annotate(
                *result(),
                number=dice.randint(1, 8),
                task_id=dice.randint(1, 4),
                at=at,
                completed_by=dice.choice([None, 3, 4, 5, 6]),
                was_cancelled=dice.random() < 0.2,
                deleted_at=at if dice.random() < 0.2 else None,
            )
        assert_days_are_the_sum_of_the_rows()
    assert LiveAgreement.objects.exists()


def assert_days_are_the_sum_of_the_rows():
    expected = {}
    for row in LiveAgreement.objects.all():
        add(expected.setdefault((row.model_version, row.at.date()), {}), row.sums)
    found = {
        (row.model_version, row.day): row.sums for row in LiveAgreementDay.objects.all()
    }
    assert flat(found) == pytest.approx(flat(expected))


def flat(days):
    return {
        (*key, group, name, place): number
        for key, sums in days.items()
        for group, vectors in sums.items()
        for name, vector in vectors.items()
        for place, number in enumerate(vector)
    }


# --- Not shown ---


def test_an_annotation_made_without_seeing_the_prediction_counts_apart(
    annotate, predicted
):
    predicted(choice("A"), text("same"), score=0.87, withheld=True)
    annotate(choice("B"), text("same"))
    assert LiveAgreementDay.objects.get().sums == {"not_shown": {"": [1, 0.5, 0.25]}}
    assert LiveAgreement.objects.get().withheld


def test_both_kinds_are_in_the_sums_of_the_same_day(annotate, predicted):
    predicted(choice("A"))
    predicted(choice("A"), task_id=8, withheld=True)
    annotate(choice("A"))
    annotate(choice("B"), number=12, task_id=8)
    assert_days_are_the_sum_of_the_rows()
    sums = LiveAgreementDay.objects.get().sums
    assert (sums["overall"][""], sums["not_shown"][""]) == ([1, 1.0, 1.0], [1, 0.0, 0])


def test_a_task_that_was_sent_an_earlier_prediction_counts_for_neither(
    annotate, predicted
):
    predicted(choice("A"), version="v1")
    predicted(choice("A"), version="v2", at=NOON + MINUTE / 2, withheld=True)
    annotate(choice("A"))
    assert not LiveAgreement.objects.exists()


def test_a_prediction_that_is_sent_later_changes_nothing(annotate, predicted):
    predicted(choice("A"), withheld=True)
    predicted(choice("A"), at=NOON + DAY)
    annotate(choice("A"))
    assert LiveAgreement.objects.get().withheld


def test_a_prediction_that_was_sent_after_all_was_seen(annotate, predicted):
    predicted(choice("B"), withheld=True)
    predicted(choice("A"), at=NOON + MINUTE / 2)
    annotate(choice("A"))
    assert days() == [("v1", 2, [1, 1.0, 1.0])]
