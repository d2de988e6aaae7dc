"""Which annotated tasks a snapshot holds out, and what it records of them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from lsml.dataset.holdout import held_out_tasks, is_held_out, trained_task_ids
from lsml.dataset.models import Annotation, Snapshot, Task
from lsml.dataset.snapshots import (
    RecordedAnnotations,
    held_out_of,
    snapshot_digest,
    take_snapshot,
    trained_on,
)
from lsml.registry.models import Project
from tests.db.quality.history import History, choice

ENOUGH = 30
PERCENT = 50  # so that each test has some of both


@pytest.fixture
def history(db):
    history = History()
    history.project.holdout_percent = PERCENT
    history.project.save()
    return history


@pytest.fixture
def project(history):
    return history.project


@pytest.fixture
def annotate(history):
    """Annotate the tasks 1 to so many; an annotation has 100 times its number."""

    def annotate_all(number):
        for task_id in range(1, number + 1):
            history.annotate(task_id, "Refund" if task_id % 2 else "Billing")

    return annotate_all


def by_rule(project, tasks=ENOUGH, percent=PERCENT):
    return [n for n in range(1, tasks + 1) if is_held_out(project.pk, n, percent)]


def taken(project, **options):
    """The tasks of a snapshot taken now: (trained on, held out)."""
    inputs = take_snapshot(project, **options)
    return [task.id for task in inputs.tasks], [task.id for task in inputs.held_out]


def test_with_fewer_than_thirty_annotated_tasks_nothing_is_held_out(project, annotate):
    annotate(ENOUGH - 1)
    trained, held_out = taken(project)
    assert (len(trained), held_out) == (ENOUGH - 1, [])
    assert Snapshot.objects.get().holdout_percent == 0


def test_from_thirty_annotated_tasks_on_the_rule_holds_some_out(project, annotate):
    annotate(ENOUGH)
    trained, held_out = taken(project)
    assert held_out == by_rule(project)
    assert sorted(trained + held_out) == list(range(1, ENOUGH + 1))


def test_a_task_without_a_usable_annotation_does_not_count(project, annotate):
    annotate(ENOUGH)
    Annotation.objects.filter(task_id=ENOUGH).update(was_cancelled=True)
    assert taken(project)[1] == []


def test_the_snapshot_records_what_is_held_out_and_how(project, annotate):
    annotate(ENOUGH)
    snapshot = take_snapshot(project).snapshot
    held_out = by_rule(project)
    rows = Annotation.objects.filter(task_id__in=held_out).order_by("annotation_id")
    assert snapshot.holdout_percent == PERCENT
    assert snapshot.held_out_task_count == len(held_out)
    assert held_out_of(snapshot) == RecordedAnnotations.of(rows)
    assert snapshot.task_count == ENOUGH - len(held_out)
    assert sum(snapshot.label_counts.values()) == ENOUGH - len(held_out)
    assert trained_task_ids(snapshot) == set(range(1, ENOUGH + 1)) - set(held_out)


def test_tasks_stay_held_out_when_fewer_than_thirty_are_left(project, annotate):
    annotate(ENOUGH)
    before = taken(project)[1]
    gone = [n for n in range(1, ENOUGH + 1) if n not in before][:5]
    Annotation.objects.filter(task_id__in=gone).update(deleted_at=timezone.now())
    assert taken(project)[1] == before


def test_tasks_stay_held_out_when_others_are_added(project, annotate, history):
    annotate(ENOUGH)
    before = taken(project)[1]
    for task_id in range(ENOUGH + 1, 2 * ENOUGH):
        history.annotate(task_id, "Refund")
    assert set(before) < set(taken(project)[1])


def test_a_project_may_hold_out_nothing(project, annotate):
    annotate(ENOUGH)
    project.holdout_percent = 0
    assert taken(project)[1] == []
    project.holdout_percent = PERCENT
    assert taken(project, hold_out=False)[1] == []


def test_all_annotations_of_a_held_out_task_are_held_out(project, annotate, history):
    annotate(ENOUGH)
    task_id = by_rule(project)[0]
    history.annotate(task_id, "Billing", annotation_id=7)
    snapshot = take_snapshot(project).snapshot
    assert {7, 100 * task_id} <= set(snapshot.held_out_ids)


def test_the_digest_covers_the_hold_out(project, annotate):
    annotate(ENOUGH)
    first = take_snapshot(project).snapshot
    held_out = Annotation.objects.filter(task_id=by_rule(project)[0])
    held_out.update(updated_at=timezone.now())
    second = take_snapshot(project).snapshot
    assert trained_on(second) == trained_on(first)
    assert second.digest != first.digest
    columns = trained_on(second), held_out_of(second)
    assert snapshot_digest(*columns, PERCENT) == second.digest
    assert snapshot_digest(*columns, PERCENT - 1) != second.digest


def test_a_project_with_a_hold_out_has_one_snapshot_of_the_same_annotations(
    project, annotate
):
    annotate(ENOUGH)
    assert take_snapshot(project).snapshot == take_snapshot(project).snapshot


def test_held_out_tasks_have_their_annotations_as_of_now(project, annotate, history):
    annotate(ENOUGH)
    snapshot = take_snapshot(project).snapshot
    first, second, third, *_ = by_rule(project)
    Annotation.objects.filter(task_id=first).update(result=choice("Changed"))
    later = history.annotate(first, "Added", annotation_id=7)
    Annotation.objects.filter(pk=later.pk).update(
        updated_at=timezone.now() + timedelta(minutes=1)
    )
    Annotation.objects.filter(task_id=second).update(was_cancelled=True)
    Task.objects.filter(task_id=third).update(deleted_at=timezone.now())
    found = {task.id: task.choices() for task in held_out_tasks(snapshot)}
    assert found[first] == ["Changed", "Added"]
    assert found.keys() == set(by_rule(project)) - {second, third}


def test_more_than_half_cannot_be_held_out(project):
    with pytest.raises(IntegrityError), transaction.atomic():
        Project.objects.filter(pk=project.pk).update(holdout_percent=51)
