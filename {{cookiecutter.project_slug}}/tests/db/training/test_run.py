"""A run from its events to its version."""

import json

import pytest

from lsml.registry.models import StateItem
from lsml.training.models import InboxEntry

pytestmark = pytest.mark.usefixtures("forked_trainings")


def test_a_legacy_fit_gets_each_event_in_order_and_names_the_version(worker, studio):
    worker.serve("Legacy")
    studio.annotate(1)
    studio.annotate(2)
    studio.send("START_TRAINING")
    studio.annotate(3)
    run = worker.train()
    assert run.error == ""
    assert studio.project.served_version == "fitted-4"
    assert json.loads(StateItem.objects.get(key="seen").value) == [
        ["ANNOTATION_CREATED", 1],
        ["ANNOTATION_CREATED", 2],
        ["START_TRAINING", None],
        ["ANNOTATION_CREATED", 3],
    ]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("Raising", "ValueError: the labels make no sense"),
        ("Quitting", "called sys.exit('nothing to do')"),
    ],
)
def test_an_exception_of_the_training_is_the_reason(worker, studio, model, words):
    worker.serve(model)
    studio.annotate(1)
    run = worker.train()
    assert run.state == "failed"
    assert words in run.error
    assert "abcdef123456" not in run.error + run.log
    assert InboxEntry.objects.get().held


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("Crashing", "segmentation fault"),
        ("Exiting", "ended itself with status 7"),
    ],
)
def test_a_crash_is_retried_and_then_fails_with_a_readable_reason(
    worker, studio, model, words, settings
):
    settings.TRAINING_MAX_ATTEMPTS = 2
    worker.serve(model)
    studio.annotate(1)
    run = worker.train()
    assert run.state == "queued"
    worker.begin().carry()
    run.refresh_from_db()
    assert run.state == "failed"
    assert "Gave up after 2 attempts" in run.error
    assert words in run.error
    assert [each.number for each in run.attempt_set.order_by("number")] == [1, 2]
    assert InboxEntry.objects.get().held


@pytest.mark.parametrize(
    ("model", "name", "reason"),
    [
        ("WritingNonsense", "v1", "ValueError: weights of another shape"),
        ("LosingItsState", "fitted-1", "invalid literal for int()"),
    ],
)
def test_a_version_that_cannot_be_loaded_is_kept_but_not_promoted(
    worker, studio, model, name, reason
):
    worker.use(f"tests.models.loading.{model}")
    studio.annotate(1)
    before = studio.project.served_version
    run = worker.train()
    assert (run.state, run.error) == ("succeeded", "")
    assert run.message == f"{name} was not promoted: it cannot be loaded."
    assert run.version.version == name
    assert reason in run.version.load_error
    assert "hunter2" not in run.version.load_error + run.log
    assert studio.project.served_version == before
    assert not studio.project.promotions.filter(to_version=run.version).exists()
    assert not StateItem.objects.exists()  # the version served on reads it, too


def test_a_version_that_loads_is_promoted_without_a_mark(worker, studio):
    worker.use("tests.models.loading.WritingSense")
    studio.annotate(1)
    run = worker.train()
    assert run.version.load_error == ""
    assert studio.project.active_version == run.version
