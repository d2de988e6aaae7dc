"""A legacy `fit`, event by event: failures, and events that teach it nothing."""

import pytest
from django.core.management import call_command

from label_studio_ml.training import Run
from lsml.audit.models import AuditEntry
from lsml.jobs.errors import IllegalMove
from lsml.jobs.services import retry
from lsml.registry.models import ModelVersion, StateItem
from lsml.training.models import InboxEntry, RunEvent, TrainingRun
from lsml.training.process.inputs import TrainingInputs
from lsml.training.process.legacy import fit_events
from lsml.training.process.store import RunStore
from lsml.training.runs import start_run
from tests.models import learning

from .conftest import ORIGIN

pytestmark = pytest.mark.usefixtures("forked_trainings")
slow = pytest.mark.slow


@pytest.fixture
def strict(worker, monkeypatch):
    """Fails on Start training, and on each ground truth with FIT_RAISES."""
    monkeypatch.delenv("MODEL_DIR", raising=False)
    worker.serve("Strict", FIT_RAISES="builtins.ValueError")
    return worker


def taken(run):
    return list(run.events.order_by("event_id").values_list("event_id", flat=True))


def set_aside():
    return [(each.action, each.error) for each in RunEvent.objects.set_aside()]


def test_an_event_that_fit_fails_on_is_set_aside_and_the_others_count(strict, studio):
    for number in range(1, 11):
        studio.annotate(number)
    studio.send("START_TRAINING")
    run = strict.train()
    assert (run.state, run.error) == ("succeeded", "")
    assert run.message == "1 of 11 events failed in fit()."
    assert run.version == studio.project.active_version
    assert StateItem.objects.get(key="seen").value == "1 2 3 4 5 6 7 8 9 10 "
    assert set_aside() == [("START_TRAINING", "KeyError: 'annotation'")]
    assert "KeyError: 'annotation'" in run.log
    assert not InboxEntry.objects.exists()

    late = studio.annotate(11)
    following = strict.train()
    assert (following.state, taken(following)) == ("succeeded", [late.pk])
    assert "failed" not in following.message


@pytest.mark.slow
def test_a_run_fails_when_fit_raises_for_every_event_and_no_run_takes_them_again(
    strict, studio
):
    studio.annotate(1, ground_truth=True)
    studio.send("START_TRAINING")
    unread = studio.send("TASKS_CREATED", tasks=[{"id": 5}])  # `fit` is not for it
    run = strict.train()
    assert (run.state, run.version) == ("failed", None)
    assert run.error.startswith("fit() failed on 2 events and learned nothing: Value")
    assert len(set_aside()) == 2
    assert [each.event_id for each in InboxEntry.objects.all()] == [unread.pk]

    late = studio.annotate(2)
    following = strict.train()
    assert (following.state, taken(following)) == ("succeeded", [unread.pk, late.pk])


@pytest.mark.slow
def test_the_error_of_an_event_is_masked_and_bounded(strict, studio, monkeypatch):
    monkeypatch.setenv("FIT_RAISES", "tests.models.learning.Wordy")
    studio.annotate(1, ground_truth=True)
    studio.annotate(2)
    strict.train()
    ((_action, error),) = set_aside()
    assert "abcdef123456" not in error
    assert error.startswith("Wordy: token=*** ? ")
    assert 2000 < len(error) < 2020


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        ("builtins.MemoryError", "failed"),
        ("django.db.utils.OperationalError", "queued"),
        pytest.param("builtins.SystemExit", "failed", marks=slow),
        pytest.param("django.db.utils.DataError", "failed", marks=slow),
        # Nobody asked for it:
        pytest.param("label_studio_ml.training.RunCancelled", "queued", marks=slow),
    ],
)
def test_an_error_that_does_not_concern_one_event_ends_the_run(
    strict, studio, monkeypatch, raised, state
):
    monkeypatch.setenv("FIT_RAISES", raised)
    studio.annotate(1)
    studio.annotate(2, ground_truth=True)
    run = strict.train()
    assert run.state == state
    assert set_aside() == []
    assert InboxEntry.objects.filter(held=True).count() == (
        2 if state == "failed" else 0
    )


def test_the_other_annotations_of_a_bulk_event_count(strict, studio):
    several = [
        studio.annotation(1),
        studio.annotation(2, ground_truth=True),
        studio.annotation(3),
    ]
    studio.send("ANNOTATIONS_CREATED", annotation=several, task=[])
    run = strict.train()
    assert (run.state, run.message) == ("succeeded", "1 of 1 events failed in fit().")
    assert StateItem.objects.get(key="seen").value == "1 2 3 "
    assert len(set_aside()) == 1


@pytest.mark.slow
def test_the_events_a_run_set_aside_are_retried_by_hand(strict, studio):
    bad = studio.annotate(1, ground_truth=True)
    studio.annotate(2)
    run = strict.train()
    strict.serve("Filing")  # the code was corrected
    again = retry(run, actor="ann", origin=ORIGIN)
    assert set_aside() == []
    strict.begin().carry()
    again.refresh_from_db()
    assert (again.state, again.trigger, taken(again)) == (
        "succeeded",
        "retry",
        [bad.pk],
    )
    action = AuditEntry.objects.get(verb="training retried")
    assert (action.actor, action.detail) == (
        "ann",
        {"run": again.pk, "retried_run": run.pk, "retried_events": 1},
    )
    with pytest.raises(IllegalMove):
        retry(run, actor="ann", origin=ORIGIN)


@pytest.mark.slow
def test_retrying_a_failed_run_takes_the_events_it_set_aside(strict, studio):
    studio.annotate(1, ground_truth=True)
    run = strict.train()
    again = retry(run, actor="ann", origin=ORIGIN)
    strict.begin().carry()
    again.refresh_from_db()
    assert (again.state, taken(again)) == ("failed", taken(run))
    assert [each.run for each in RunEvent.objects.set_aside()] == [again]


@pytest.mark.slow
def test_the_command_retries_what_all_runs_set_aside(strict, studio):
    for number in (1, 2):
        studio.annotate(number, ground_truth=True)
        strict.train()
    call_command("train", project=7, retry_failed_events=True)
    run = TrainingRun.objects.get(state="queued")
    strict.begin().carry()
    assert len(taken(run)) == 2
    action = AuditEntry.objects.get(verb="training started")
    assert action.detail == {"run": run.pk, "retried_events": 2}


@pytest.mark.slow
def test_a_run_started_by_hand_takes_no_events_set_aside(strict, studio):
    studio.annotate(1, ground_truth=True)
    strict.train()
    run = start_run(project=studio.project, actor="ann", origin=ORIGIN)
    strict.begin().carry()
    run.refresh_from_db()
    assert (run.state, taken(run)) == ("succeeded", [])
    assert run.message == "No new version: there was no event for fit()."


def test_progress_counts_events_and_not_calls(strict, studio, monkeypatch):
    monkeypatch.setenv("FIT_RAISES", "builtins.ValueError")
    several = [studio.annotation(number) for number in (1, 2, 3)]
    events = [
        studio.send("ANNOTATIONS_CREATED", annotation=several, task=[]),
        studio.send("ANNOTATION_CREATED"),  # without payload
        studio.annotate(4, ground_truth=True),
        studio.annotate(5),
    ]
    seen = []
    fit_events(
        learning.Strict(),
        Run(on_progress=lambda at: seen.append((at.fraction, at.message))),
        TrainingInputs(studio.project, [], [event.pk for event in events]),
        RunStore(studio.project),
    )
    assert seen == [(n / 4, f"event {n + 1} of 4") for n in range(4)]


def test_a_fit_that_only_returns_metrics_makes_no_version(worker, studio):
    worker.serve("Idle")
    studio.annotate(1)
    run = worker.train()
    assert (run.state, run.version) == ("succeeded", None)
    assert run.message == "No new version: fit() set no state and wrote no file."
    assert studio.project.active_version is None
    assert not ModelVersion.objects.exists()
    assert not InboxEntry.objects.exists()


@pytest.mark.slow
def test_files_of_the_previous_version_alone_create_no_version(
    worker, studio, monkeypatch
):
    monkeypatch.delenv("MODEL_DIR", raising=False)
    worker.serve("Filing")
    studio.annotate(1)
    first = worker.train().version
    assert first.artifact_key

    studio.send("START_TRAINING")
    assert worker.train().version is None
    assert studio.project.active_version == first

    studio.annotate(2)
    second = worker.train().version
    assert second.artifact_sha256 != first.artifact_sha256


@pytest.mark.slow
def test_a_file_in_the_operators_model_dir_makes_a_version(
    worker, studio, monkeypatch, tmp_path
):
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("MODEL_DIR", str(folder))
    worker.serve("Filing")
    studio.annotate(1)
    run = worker.train()
    assert (folder / "seen.txt").read_text() == "1 "
    assert (run.version.version, run.version.artifact_key) == ("v1", "")
    studio.send("START_TRAINING")
    assert worker.train().version is None
