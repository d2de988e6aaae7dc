"""Runs of a project whose hold-out applies."""

import itertools
import json

import pytest

from lsml.dataset.holdout import is_held_out
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.models import ModelVersion, Project, StateItem
from lsml.training.models import InboxEntry
from lsml.training.runs import start_run

from .conftest import ORIGIN

pytestmark = pytest.mark.usefixtures("forked_trainings")
ENOUGH = 30
PERCENT = 50  # so that each test has some of both


@pytest.fixture
def project(project):
    project.holdout_percent = PERCENT
    project.save()
    return project


@pytest.fixture
def annotated(project, studio):
    """Thirty annotated tasks, whose annotations are waiting; the tasks held out."""
    for number in range(1, ENOUGH + 1):
        studio.annotate(number)
    return [1000 + n for n in range(1, ENOUGH + 1) if held_out(project, n)]


def held_out(project, number):
    return is_held_out(project.pk, 1000 + number, PERCENT)


def numbers(project, *, out):
    """Numbers of further annotations, whose tasks are held out or not."""
    return (n for n in itertools.count(100) if held_out(project, n) == out)


def written(version, name):
    artifact = Artifact(
        version.artifact_key, version.artifact_sha256, version.artifact_bytes
    )
    return json.loads((fetch_artifact(artifact).folder / name).read_text())


def test_train_is_not_given_the_held_out_tasks_but_may_measure_on_them(
    worker, annotated
):
    worker.serve("Measuring")
    run = worker.train()
    assert run.error == ""
    seen = {int(task) for task in written(run.version, "seen.json")}
    assert seen == set(range(1001, 1001 + ENOUGH)) - set(annotated)
    assert written(run.version, "held_out.json") == annotated
    assert run.version.annotation_count == ENOUGH - len(annotated)
    assert run.version.held_out_tasks == len(annotated)
    assert run.events.count() == ENOUGH
    assert not InboxEntry.objects.exists()


@pytest.mark.slow
def test_new_annotations_of_held_out_tasks_make_no_second_version(
    worker, studio, project, annotated
):
    worker.serve("Remembering")
    worker.train()
    for number in itertools.islice(numbers(project, out=True), 2):
        studio.annotate(number)
        run = worker.train()
        assert (run.state, run.version) == ("succeeded", None)
        assert "v1 was trained on the same annotations" in run.message
    assert not InboxEntry.objects.exists()
    assert worker.process_inbox() == []

    studio.annotate(next(numbers(project, out=False)))
    assert worker.train().version.version == "v2"


@pytest.mark.slow
def test_a_person_may_train_on_the_same_annotations_again(worker, studio, annotated):
    worker.serve("Remembering")
    worker.train()
    start_run(project=studio.project, actor="olga", origin=ORIGIN)
    worker.begin().carry()
    studio.send("START_TRAINING")
    worker.train()
    assert ModelVersion.objects.count() == 3


def test_other_code_is_trained_on_the_same_annotations(
    worker, studio, project, annotated
):
    worker.serve("Remembering")
    worker.train()
    ModelVersion.objects.update(code_revision="git:before")
    studio.annotate(next(numbers(project, out=True)))
    assert worker.train().version.version == "v2"


def test_a_run_without_a_task_to_train_on_says_that_all_are_held_out(
    worker, studio, project, annotated
):
    worker.serve("Remembering")
    for number in range(1, ENOUGH + 1):
        if not held_out(project, number):
            studio.annotate(number, "ANNOTATION_UPDATED", was_cancelled=True)
    extra = itertools.islice(numbers(project, out=True), ENOUGH - len(annotated))
    for number in extra:
        studio.annotate(number)
    run = worker.train()
    assert run.state == "failed"
    assert "all annotated tasks are held out" in run.error


def test_a_legacy_fit_gets_every_event_and_its_version_holds_nothing_out(
    worker, annotated
):
    worker.serve("Legacy")
    version = worker.train().version
    assert fitted() == list(range(1, ENOUGH + 1))
    assert (version.annotation_count, version.held_out_tasks) == (ENOUGH, 0)


def test_a_project_may_hold_tasks_out_from_fit_as_well(
    worker, studio, project, annotated
):
    Project.objects.update(holdout_fit=True)
    both = [next(numbers(project, out=out)) for out in (True, False)]
    several = [studio.annotation(number) for number in both]
    tasks = [{"id": each["task"], "data": {}} for each in several]
    studio.send("ANNOTATIONS_CREATED", annotation=several, task=tasks)
    studio.send("START_TRAINING")
    worker.serve("Legacy")
    run = worker.train()
    trained = [n for n in range(1, ENOUGH + 1) if 1000 + n not in annotated]
    assert fitted() == [*trained, both[1], None]
    assert run.version.held_out_tasks == len(annotated) + 1
    assert run.events.count() == ENOUGH + 2
    assert not InboxEntry.objects.exists()


def fitted():
    """The annotations that `Legacy` was called with; None for Start training."""
    return [number for _, number in json.loads(StateItem.objects.get(key="seen").value)]
