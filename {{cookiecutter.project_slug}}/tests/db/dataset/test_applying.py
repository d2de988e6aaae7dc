"""Events in any order lead to the same dataset."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from lsml.dataset.events import ReceivedEvent
from lsml.dataset.models import Annotation, Task
from lsml.dataset.services import apply_events, writing
from lsml.dataset.snapshots import take_snapshot
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.registry.models import Project

RECEIVED_AT = datetime(2026, 11, 23, 13, tzinfo=UTC)
PROJECT = {"id": 7}


@pytest.fixture
def project(db):
    return Project.objects.create(labelstudio_id=7)


def annotation(choice, minute, number=1, **changes):
    region = {"type": "choices", "from_name": "s", "value": {"choices": [choice]}}
    return {
        "id": number,
        "task": 10,
        "result": [region],
        "updated_at": f"2026-11-23T12:{minute:02}:00Z",
        **changes,
    }


def task(minute=0, text="hm"):
    return {
        "id": 10,
        "data": {"text": text},
        "updated_at": f"2026-11-23T12:{minute:02}:00Z",
    }


def event(action, **body):
    return {"action": action, "project": PROJECT, **body}


CREATED = event("ANNOTATION_CREATED", annotation=annotation("No", 1), task=task(1))
UPDATED = event(
    "ANNOTATION_UPDATED", annotation=annotation("Yes", 5), task=task(5, "hm!")
)
DELETED = event("ANNOTATIONS_DELETED", annotations=[{"id": 1}])
TASK_DELETED = event("TASKS_DELETED", tasks=[{"id": 10}])


def apply(project, *bodies):
    with writing(project.pk):
        apply_events(
            project=project,
            events=[
                ReceivedEvent(
                    WebhookRequest.parse(body), RECEIVED_AT + timedelta(seconds=number)
                )
                for number, body in enumerate(bodies)
            ],
        )


def trained_on(project):
    inputs = take_snapshot(project)
    return {each.id: each.choices() for each in inputs.tasks}


@pytest.mark.parametrize("together", [True, False])
def test_the_newest_annotation_wins_in_any_order(project, together):
    for order in itertools.permutations([CREATED, UPDATED]):
        Annotation.objects.all().delete()
        Task.objects.all().delete()
        batches = [order] if together else [[each] for each in order]
        for batch in batches:
            apply(project, *batch)
        assert trained_on(project) == {10: ["Yes"]}
        assert Task.objects.get().data == {"text": "hm!"}


@pytest.mark.parametrize("gone", [DELETED, TASK_DELETED], ids=["annotation", "task"])
@pytest.mark.parametrize("together", [True, False])
def test_a_deletion_is_final_in_any_order(project, gone, together):
    for order in itertools.permutations([CREATED, UPDATED, gone]):
        Annotation.objects.all().delete()
        Task.objects.all().delete()
        for batch in [order] if together else [[each] for each in order]:
            apply(project, *batch)
        assert trained_on(project) == {}


def test_deleting_an_annotation_keeps_the_others_of_its_task(project):
    other = event(
        "ANNOTATION_CREATED", annotation=annotation("Maybe", 2, number=2), task=task(2)
    )
    apply(project, CREATED, other, DELETED)
    assert trained_on(project) == {10: ["Maybe"]}


def test_skipped_annotations_are_kept_but_not_trained_on(project):
    skipped = annotation("No", 1, was_cancelled=True)
    apply(project, event("ANNOTATION_CREATED", annotation=skipped, task=task()))
    assert Annotation.objects.get().was_cancelled
    assert trained_on(project) == {}


def test_the_bulk_form_with_singular_keys_is_understood(project):
    apply(
        project,
        event(
            "ANNOTATIONS_CREATED",
            annotation=[annotation("No", 1), annotation("Yes", 2, number=2)],
            task=[task()],
        ),
    )
    assert trained_on(project) == {10: ["No", "Yes"]}


def test_applying_twice_changes_nothing(project):
    apply(project, CREATED, UPDATED)
    before = list(Annotation.objects.values()), list(Task.objects.values())
    apply(project, CREATED, UPDATED)
    assert before == (list(Annotation.objects.values()), list(Task.objects.values()))


def test_runs_that_see_the_same_annotations_share_a_snapshot(project):
    apply(project, CREATED)
    first = take_snapshot(project).snapshot
    assert take_snapshot(project).snapshot == first
    apply(project, UPDATED)
    second = take_snapshot(project).snapshot
    assert second != first
    assert (second.annotation_ids, second.label_counts) == ([1], {"Yes": 1})


def test_two_projects_with_the_same_ids_do_not_mix(project):
    other = Project.objects.create(labelstudio_id=7, created_stamp=9)
    apply(project, CREATED)
    apply(other, UPDATED)
    assert (trained_on(project), trained_on(other)) == ({10: ["No"]}, {10: ["Yes"]})


@pytest.mark.parametrize("date", ["yesterday", 7, "9999-12-31T23:59:59-23:59"])
def test_an_unreadable_date_never_stops_an_event(project, date):
    dates = {"created_at": date, "updated_at": date}
    apply(
        project,
        event(
            "ANNOTATION_CREATED",
            annotation=annotation("No", 1) | dates,
            task=task(1) | dates,
        ),
    )
    assert Annotation.objects.get().updated_at == RECEIVED_AT
    assert trained_on(project) == {10: ["No"]}


def test_a_deletion_that_arrives_first_keeps_the_content_readable(project):
    apply(project, DELETED)
    apply(project, CREATED)
    deleted = Annotation.objects.get()
    assert deleted.deleted_at
    assert deleted.result == CREATED["annotation"]["result"]
    assert trained_on(project) == {}


@pytest.mark.parametrize("together", [True, False])
def test_an_id_reused_after_a_deletion_is_a_new_task(project, together):
    def created(minute, choice):
        born = {"created_at": f"2026-11-23T12:{minute:02}:00Z"}
        return event(
            "ANNOTATION_CREATED",
            annotation=annotation(choice, minute) | born,
            task=task(minute, f"text {minute}") | born,
        )

    events = [created(1, "No"), DELETED, TASK_DELETED, created(9, "Yes")]
    for batch in [events] if together else [[each] for each in events]:
        apply(project, *batch)
    assert trained_on(project) == {10: ["Yes"]}
    assert Task.objects.get().data == {"text": "text 9"}
    apply(project, created(1, "No"))  # a late event of the earlier task
    assert trained_on(project) == {10: ["Yes"]}
