"""Annotations are suspicious to versions that were not trained on their task."""

import math
import random

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from lsml.dataset.holdout import held_out_tasks
from lsml.dataset.models import Task
from lsml.dataset.snapshots import take_snapshot
from lsml.quality.suspicious import unseen
from lsml.quality.suspicious.services import suspicious_annotations
from lsml.quality.suspicious.unseen import unseen_predictions
from tests.db.audit.rows import predict
from tests.db.quality.history import History, choice

pytestmark = pytest.mark.django_db
TASK = 50


def report(history, limit=10):
    return suspicious_annotations(project=history.project, limit=limit)


def used(history, task_id=TASK):
    """The prediction that the task's annotation is compared with."""
    (found,) = {
        prediction
        for annotation, prediction in unseen_predictions(history.project)
        if annotation.task_id == task_id
    }
    return found


def contradict(history, task_id=TASK, score=0.97, version="v1"):
    history.predict(task_id, "Billing", score, version)
    history.annotate(task_id, "Refund")


# --- Which prediction counts ---


def test_the_prediction_made_before_the_annotation_counts(history):
    history.train(1)
    made = history.predict(TASK, "Billing", version="v1")
    history.annotate(TASK, "Refund")
    assert used(history) == made


def test_a_version_trained_on_the_task_does_not_count(history):
    made = history.predict(TASK, "Billing", version="0.0.1")
    history.annotate(TASK, "Refund")
    history.train(100 * TASK)
    history.predict(TASK, "Refund", version="v1")
    history.train(100 * TASK)
    assert used(history) == made


def test_the_version_decides_if_the_clocks_of_its_hosts_differ(history):
    history.annotate(TASK, "Refund")
    history.train(100 * TASK, seconds=60)  # created in the future, so it seems
    history.predict(TASK, "Refund", version="v1")
    assert used(history) is None


def test_a_version_registered_while_the_list_is_made_is_no_failure(history):
    contradict(history)
    waiting = [lambda: history.train(100 * TASK)]

    def train_after_the_search(execute, sql, *query):
        found = execute(sql, *query)
        if sql == unseen._FIRST_TRAINED:
            waiting.pop()()
        return found

    with connection.execute_wrapper(train_after_the_search):
        assert report(history).checked == 1


def test_a_version_after_the_first_one_trained_on_the_task_does_not_count(history):
    """It may have learned from the version before."""
    history.annotate(TASK, "Refund")
    history.train(100 * TASK)
    history.train(1)
    history.predict(TASK, "Refund", version="v2")
    assert used(history) is None


def test_the_latest_such_prediction_counts(history):
    history.predict(TASK, "Refund", version="0.0.1")
    history.train(1)
    history.predict(TASK, "Refund", version="v1")
    last = history.predict(TASK, "Billing", version="v1")
    history.annotate(TASK, "Refund")
    history.train(1, 100 * TASK)
    history.predict(TASK, "Refund", version="v2")
    assert used(history) == last


def test_a_task_that_was_never_trained_on_is_checked_with_the_newest(history):
    history.train(1)
    history.annotate(TASK, "Refund")
    history.train(1, 2)
    last = history.predict(TASK, "Billing", version="v2")
    assert used(history) == last


def test_a_held_out_task_is_checked_with_the_newest_version(history):
    history.project.holdout_percent = 50
    for task_id in range(1, 41):
        history.annotate(task_id, "Refund")
    snapshot = take_snapshot(history.project).snapshot
    history.version(1, snapshot.digest, timezone.now())
    made = {
        task_id: history.predict(task_id, "Billing", version="v1")
        for task_id in range(1, 41)
    }
    checked = {
        annotation.task_id: prediction
        for annotation, prediction in unseen_predictions(history.project)
        if prediction is not None
    }
    held_out = {task.id for task in held_out_tasks(snapshot)}
    assert held_out
    assert checked == {task_id: made[task_id] for task_id in held_out}


def test_training_on_another_annotation_of_the_task_counts_too(history):
    history.annotate(TASK, "Refund", 1)
    history.train(1)
    history.annotate(TASK, "Refund", 2)
    history.predict(TASK, "Refund", version="v1")
    history.train(1, 2)
    assert used(history) is None


def test_training_on_an_annotation_deleted_since_counts_too(history):
    history.annotate(TASK, "Refund", 1, deleted_at=timezone.now())
    history.train(1)
    history.annotate(TASK, "Refund", 2)
    history.predict(TASK, "Refund", version="v1")
    assert used(history) is None


def test_the_first_version_trained_on_each_task_is_found_among_many(history):
    """Compared with a plain search, on random annotations, deletions and snapshots."""
    rng = random.Random(1)
    annotations = {}
    for annotation_id in rng.sample(range(1, 1_000), 120):
        annotations[annotation_id] = task_id = rng.randrange(1, 60)
        deleted = timezone.now() if rng.random() < 0.2 else None
        history.annotate(task_id, "Refund", annotation_id, deleted_at=deleted)
    first = {}
    for number in range(1, 16):
        size = rng.randrange(len(annotations) // 3)
        trained = sorted(rng.sample([*annotations, *range(2_000, 2_050)], size))
        history.train(*trained)
        for annotation_id in trained:
            first.setdefault(annotations.get(annotation_id), number)
    for examined in (5, 60, 1_000):
        newest = unseen.annotations_of(history.project)[:examined]
        tasks = {annotation.task_id for annotation in newest}
        found = unseen._bounds(history.project, tasks)
        numbers = {task: number for task, (number, _) in found.items()}
        assert numbers == {task: first[task] for task in tasks if task in first}


def test_a_version_copied_from_another_project_does_not_count(history):
    """Its snapshot has that project's tasks, which may be copies of these."""
    original = History(labelstudio_id=8)
    copied = original.train(1)
    history.version(1, copied.snapshot_digest, timezone.now())
    history.predict(TASK, "Billing", version="v1")
    history.annotate(TASK, "Refund")
    assert used(history) is None


def test_a_version_that_no_run_made_counts(history):
    """A pretrained model that names itself was trained on no annotation from here."""
    history.version(1, "", timezone.now())
    made = history.predict(TASK, "Billing", version="v1")
    history.annotate(TASK, "Refund")
    assert used(history) == made


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "interactive"},
        {"kind": "shadow"},
        {"outcome": "error", "result": None},
        {"project_pk": 0},
    ],
)
def test_clicks_shadows_errors_and_other_projects_do_not_count(history, facts):
    given = {"model_version": "v1", "project_pk": history.project.pk} | facts
    predict(task_id=TASK, **given)
    history.annotate(TASK, "Refund")
    assert used(history) is None


@pytest.mark.parametrize(
    "facts", [{"was_cancelled": True}, {"deleted_at": timezone.now()}]
)
def test_skipped_and_deleted_annotations_are_not_examined(history, facts):
    history.annotate(TASK, "Refund", **facts)
    assert list(unseen_predictions(history.project)) == []
    assert report(history).annotations == 0


def test_annotations_of_deleted_tasks_are_not_examined(history):
    contradict(history)
    Task.objects.update(deleted_at=timezone.now())
    assert report(history).annotations == 0


# --- The report ---


def test_a_confident_contradiction_is_listed_with_its_reason(history):
    history.agree(range(1, 11))
    contradict(history)
    (found,) = report(history).results
    assert (found.task_id, found.annotation_id, found.completed_by) == (50, 5000, 3)
    assert found.reason == (
        "annotated Refund; v1, not trained on it, says Billing (0.97)"
    )
    assert found.quality == pytest.approx(0.03)
    assert found.address == "http://ls.example/projects/7/data?task=50"


def test_the_most_improbable_annotations_come_first(history):
    history.agree(range(1, 11))
    for task_id, score in ((51, 0.9), (52, 0.99), (53, 0.95)):
        contradict(history, task_id, score)
    found = report(history, limit=2)
    assert [one.task_id for one in found.results] == [52, 53]
    assert found.suspicious == 3


def test_hesitant_contradictions_are_listed_as_such(history):
    history.agree(range(1, 11))
    contradict(history, 51, score=0.6)  # usually 0.8
    contradict(history, 52, score=0.9)
    found = report(history)
    assert [(one.task_id, one.confident) for one in found.results] == [
        (52, True),
        (51, False),
    ]
    assert (found.suspicious, found.confident) == (2, 1)


def test_agreements_are_not_listed(history):
    history.agree(range(1, 11))
    assert report(history).results == []
    assert report(history).checked == 10


def test_each_annotation_of_a_task_is_checked(history):
    history.agree(range(1, 11))
    history.predict(TASK, "Billing", 0.97, "v1")
    history.annotate(TASK, "Billing", 1)
    history.annotate(TASK, "Refund", 2)
    assert [one.annotation_id for one in report(history).results] == [2]


def test_spans_are_listed_with_what_they_mark(history):
    value = {"start": 0, "end": 4, "text": "Acme", "labels": ["ORG"]}
    region = {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}
    history.predict(TASK, "", version="v1", result=[region | {"score": 0.97}])
    history.annotate(TASK, "", result=[])
    (found,) = report(history).results
    assert found.reason == (
        "annotated nothing; v1, not trained on it, says ORG (0.97) of “Acme”"
    )


def test_what_could_not_be_checked_is_counted_and_said(history):
    history.agree([1, 2])
    history.annotate(3, "Refund")
    history.predict(4, "Refund", result=choice("Refund", score=7))
    history.annotate(4, "Refund")
    found = report(history)
    assert (found.annotations, found.examined, found.checked) == (4, 4, 2)
    assert (found.without_prediction, found.not_comparable) == (1, 1)
    assert found.coverage == (
        "2 of 4 annotations could be checked. Not checked: 1 without a prediction by a"
        " version that was not trained on them, 1 without a single choice, span or box"
        " that the model scored above chance."
    )


def test_only_the_newest_annotations_are_examined_and_that_is_said(
    history, monkeypatch
):
    monkeypatch.setattr(unseen, "ANNOTATIONS_MAX", 3)
    history.agree(range(1, 6))
    found = report(history)
    assert (found.annotations, found.examined) == (5, 3)
    assert "Only the newest 3 were examined." in found.coverage
    assert {one.task_id for one, _ in unseen_predictions(history.project)} == {3, 4, 5}


def test_an_untrained_model_that_guesses_at_random_checks_nothing(history):
    history.predict(TASK, "Billing", 0.5, "0.0.1")
    history.annotate(TASK, "Refund")
    assert report(history).checked == 0


def test_a_project_without_a_readable_config_is_checked(history):
    history.project.label_config = "<View"
    history.agree(range(1, 11))
    contradict(history)
    assert report(history).suspicious == 1


def test_the_number_of_queries_depends_on_thousands_only(
    history, django_assert_num_queries
):
    history.agree(range(1, 31))
    with django_assert_num_queries(8):
        report(history)


# --- Cross-validation ---


def test_cross_validation_finds_what_nobody_predicted(history):
    for task_id in range(1, 11):
        history.annotate(task_id, ("Refund", "Billing")[task_id % 2])
    history.annotate(TASK, "Refund")
    sure = {task_id: (0.9, 0.1)[task_id % 2] for task_id in range(1, 11)}
    history.cross_validate(sure | {TASK: 0.03})
    found = report(history)
    (one,) = found.results
    assert (one.task_id, one.confident) == (TASK, True)
    assert one.reason == (
        "annotated Refund; cross-validation of v7, without this task, says Billing"
        " (0.97)"
    )
    assert (one.model_version, one.prediction_id) == ("v7", None)
    assert one.quality == pytest.approx(0.03)
    assert (found.checked, found.without_prediction) == (11, 0)


def test_it_counts_before_a_recorded_prediction(history):
    contradict(history)
    history.cross_validate({TASK: 0.9})
    assert report(history).results == []


def test_both_kinds_are_in_one_list(history):
    history.agree(range(1, 11))
    contradict(history, 51, 0.95)
    for task_id in (50, 52):
        history.annotate(task_id, "Refund")
    history.cross_validate({50: 0.01, 52: 0.1})
    found = report(history)
    assert [one.task_id for one in found.results] == [50, 51, 52]
    assert found.results[1].reason == (
        "annotated Refund; v1, not trained on it, says Billing (0.95)"
    )


def test_each_kind_has_thresholds_of_its_own(history):
    """Predictions that are never sure do not make hesitant folds confident."""
    for task_id in range(1, 11):
        history.predict(task_id, "Billing", 0.6, "v1")
        history.annotate(task_id, "Billing")
    history.annotate(50, "Refund")
    folds = range(20, 30)
    for task_id in folds:
        history.annotate(task_id, "Billing")
    history.cross_validate(dict.fromkeys(folds, 0.05) | {50: 0.2})  # usually 0.95
    (one,) = report(history).results
    assert (one.task_id, one.confident) == (50, False)


def test_an_annotation_changed_since_is_compared_with_its_new_label(history):
    made = history.annotate(TASK, "Billing")
    history.cross_validate({TASK: 0.1})
    assert report(history).results == []
    made.result = choice("Refund")
    made.save()
    assert [one.task_id for one in report(history).results] == [TASK]


def test_a_label_that_the_folds_did_not_know_is_not_checked_with_them(history):
    history.annotate(TASK, "Complaint")
    history.cross_validate({TASK: 0.1})
    found = report(history)
    assert (found.checked, found.without_prediction) == (0, 1)


def test_a_label_that_one_fold_did_not_know_spoils_no_other_result(history):
    for task_id in range(1, 11):
        history.annotate(task_id, ("Refund", "Billing")[task_id % 2])
    history.annotate(TASK, "Refund")
    history.annotate(51, "Billing")
    sure = {task_id: (0.9, 0.1)[task_id % 2] for task_id in range(1, 11)}
    # The fold of task 50 knew only Billing. Task 51 is contradicted, but not surely.
    history.cross_validate(sure | {TASK: math.nan, 51: 0.6})
    found = report(history)
    assert [(one.task_id, one.confident) for one in found.results] == [(51, False)]
    assert found.without_prediction == 1


def test_several_choices_and_other_controls_are_not_checked_with_them(history):
    both = choice("Refund")
    both[0]["value"] = {"choices": ["Refund", "Billing"]}
    history.annotate(TASK, "", result=both)
    other = [choice("Refund")[0] | {"from_name": "tone"}]
    history.annotate(51, "", result=other)
    history.cross_validate({TASK: 0.1, 51: 0.1})
    assert report(history).checked == 0


# --- The command ---


def test_the_command_lists_what_is_suspicious_and_where(history, capsys):
    history.agree(range(1, 11))
    contradict(history)
    call_command("suspicious", project=7)
    assert capsys.readouterr().out.splitlines() == [
        "   1. task 50, annotation 5000: annotated Refund; v1, not trained on it, says"
        " Billing (0.97) http://ls.example/projects/7/data?task=50",
        "Suspicious: 1 of 11 checked annotations, 1 of them confidently.",
        "11 of 11 annotations could be checked.",
    ]


def test_the_command_refuses_an_unknown_project_and_a_wrong_count(history):
    with pytest.raises(CommandError, match="9"):
        call_command("suspicious", project=9)
    for limit in (0, 1_001):
        with pytest.raises(CommandError, match="from 1 to 1000"):
            call_command("suspicious", project=7, limit=limit)
