"""Each kind of alarm opens by its real condition in the database."""

from dataclasses import asdict
from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit.fields import first_id_at
from lsml.observability.origin import Origin
from lsml.quality.alarms import checks, conditions
from lsml.quality.alarms.conditions import CONDITIONS
from lsml.quality.models import (
    AgreementWatch,
    Alarm,
    AnswerCheck,
    DriftCheck,
    Evaluation,
)
from lsml.quality.statistics.sequential import DropDetector
from lsml.registry.models import Following, ModelVersion, Project
from lsml.registry.services import promote
from lsml.training.models import InboxEntry, TrainingRun
from tests.db.audit.rows import a_prediction, predict
from tests.model_process import frozen_model_process

pytestmark = pytest.mark.django_db
Kind = Alarm.Kind
QUIET = [kind for kind in Kind if kind is not Kind.NO_WORKER]  # needs a broker


def opened(*kinds):
    """What opens in two checks, as kind, project and sentence."""
    now = timezone.now()
    for _ in range(2):
        checks.record(checks.examine(kinds or QUIET, now), now)
    rows = Alarm.objects.open().order_by("pk")
    return [(row.kind, row.project_id, row.sentence) for row in rows]


def test_each_kind_has_a_condition():
    assert list(CONDITIONS) == list(Kind)


def test_nothing_is_wrong_with_a_new_project(project):
    assert opened() == []


def test_a_version_fails_if_a_tenth_of_its_latest_predictions_did(failing):
    said = "3 of the last 12 predictions of v3 failed."
    assert opened() == [("failing_predictions", failing.pk, said)]


@pytest.mark.parametrize(
    ("outcomes", "kind", "age_min"),
    [
        (["ok"] * 9 + ["error"] * 2, "batch", 0),  # two tasks that it cannot read
        (["ok"] * 28 + ["error"] * 3, "batch", 0),
        (["error"] * 9, "batch", 11),
        (["error"] * 9, "shadow", 0),
    ],
)
def test_few_or_old_errors_and_those_of_shadow_predictions_open_none(
    project, outcomes, kind, age_min
):
    ago = timedelta(minutes=age_min)
    for n, outcome in enumerate(outcomes):
        written(ago, n, project_pk=project.pk, outcome=outcome, kind=kind)
    assert opened(Kind.FAILING_PREDICTIONS) == []


def written(ago, n=0, **facts):
    """A row with the key that it got then."""
    at = timezone.now() - ago
    a_prediction(pk=first_id_at(at) | n, created_at=at, **facts).save(force_insert=True)


def test_an_alarm_stays_open_until_less_than_a_twentieth_fails(failing):
    assert len(opened()) == 1
    for count, is_open in ((30, True), (30, False)):
        for _ in range(count):
            predict(project_pk=failing.pk, model_version="v3")
        for _ in range(3):
            now = timezone.now()
            checks.record(checks.examine(QUIET, now), now)
        assert Alarm.objects.open().exists() is is_open


def test_only_the_latest_200_predictions_of_a_version_are_looked_at(project):
    for outcome in ["ok"] * 300 + ["error"] * 30:
        predict(project_pk=project.pk, outcome=outcome)
    [(_, _, said)] = opened()
    assert said == "30 of the last 200 predictions of v1 failed."


def test_answers_that_do_not_fit(project):
    now = timezone.now()
    AnswerCheck.objects.create(
        project=project,
        model_version="0.0.1",
        checked=500,
        invalid=12,
        first_checked_at=now,
        last_checked_at=now,
        last_invalid_at=now,
    )
    said = "12 of 500 checked answers of 0.0.1 do not fit the label config."
    assert opened() == [("invalid_answers", project.pk, said)]


def served(project, **facts):
    made = ModelVersion.objects.create(
        project=project, number=3, version="v3", created_at=timezone.now(), **facts
    )
    Project.objects.filter(pk=project.pk).update(active_version=made)


def test_labels_that_the_config_has_lost(project):
    served(project, missing_labels=["Spam"])
    said = "The config has lost labels of v3."
    assert opened() == [("lost_labels", project.pk, said)]


def test_labels_that_are_all_there_open_none(project):
    served(project)
    assert opened() == []


def run(project, state):
    return TrainingRun.objects.create(
        project=project,
        trigger="manual",
        state=state,
        error="only one class",
        created_at=timezone.now(),
        finished_at=timezone.now(),
    )


def test_a_failed_run_until_a_later_one_succeeds(project):
    failed = run(project, "failed")
    said = f"Run {failed.pk} failed: only one class"
    assert opened() == [("failed_run", project.pk, said)]
    run(project, "succeeded")
    now = timezone.now()
    for _ in range(3):
        checks.record(checks.examine(QUIET, now), now)
    assert Alarm.objects.get().state == "cleared"


def test_the_next_run_that_fails_changes_the_sentence_of_the_open_alarm(project):
    run(project, "failed")
    opened()
    again = run(project, "failed")
    [(_, _, said)] = opened()
    assert said.startswith(f"Run {again.pk} failed")


def evaluated(project, number, **facts):
    version = ModelVersion.objects.create(
        project=project, number=number, version=f"v{number}", created_at=timezone.now()
    )
    Evaluation.objects.create(
        project=project,
        version=version,
        created_at=timezone.now(),
        **{
            "state": "succeeded",
            "policy": "not-worse",
            "verdict": Evaluation.Verdict.HELD_BACK,
            "reason": "Recall of Refund fell from 81 % to 62 %.",
        }
        | facts,
    )
    return version


def test_a_version_that_was_held_back(project):
    evaluated(project, 4)
    said = "v4 was held back: Recall of Refund fell from 81 % to 62 %."
    assert opened() == [("version_held_back", project.pk, said)]


def test_of_an_error_in_the_reason_only_the_beginning_is_sent(project):
    """An error of the model may quote a task."""
    evaluated(project, 4, reason="v4 failed on 40 of 40 held-out tasks: " + 2000 * "x")
    [(_, _, said)] = opened()
    assert len(said) < 450


def rolled_back(project, actor="policy"):
    """From v4 to v3."""
    third, fourth = (
        ModelVersion.objects.create(
            project=project, number=n, version=f"v{n}", created_at=timezone.now()
        )
        for n in (3, 4)
    )
    origin = Origin("test", "test")
    facts = {"project": project, "reason": "agreement fell", "origin": origin}
    promote(version=third, actor="policy", **facts)
    promote(version=fourth, actor="policy", **facts)
    assert opened() == []
    promote(version=third, actor=actor, **facts)
    return fourth


def test_a_version_that_the_policy_rolled_back(project):
    rolled_back(project)
    said = "v4 was rolled back to v3: agreement fell"
    assert opened() == [("version_rolled_back", project.pk, said)]


def test_a_roll_back_by_a_person_or_followed_by_a_promotion_opens_none(project):
    rolled_back(project, "ada")
    assert opened() == []
    other = Project.objects.create(labelstudio_id=78)
    fourth = rolled_back(other)
    promote(
        project=other,
        version=fourth,
        actor="ada",
        reason="",
        origin=Origin("test", "test"),
    )
    assert opened() == []


def test_an_evaluation_that_failed(project):
    evaluated(project, 4, state="failed", verdict="", error="v4 cannot be loaded")
    said = "The evaluation of v4 failed, so it was not promoted: v4 cannot be loaded"
    assert opened() == [("evaluation_failed", project.pk, said)]


def test_live_agreement_of_the_served_version_that_dropped(project):
    AgreementWatch.objects.create(
        project=project,
        model_version="0.0.1",
        detector=asdict(DropDetector(500, 0.9).update([0.0] * 50)),
        falling_since=timezone.now(),
        dropped_at=timezone.now(),
    )
    [(kind, project_pk, said)] = opened()
    assert (kind, project_pk) == ("agreement_dropped", project.pk)
    assert said.startswith("Live agreement of 0.0.1 fell from 90")


def drift(project, *, differs):
    return DriftCheck.objects.create(
        project=project,
        model_version="0.0.1",
        checked_at=timezone.now(),
        latest_prediction=1,
        live_tasks=80,
        features=[{"name": "Length", "sentence": "It differs.", "differs": differs}],
    )


def test_drift_until_a_later_check_finds_none(project):
    drift(project, differs=True)
    assert opened() == [("drift", project.pk, "It differs.")]
    drift(project, differs=False)
    now = timezone.now()
    for _ in range(3):
        checks.record(checks.examine(QUIET, now), now)
    assert Alarm.objects.get().state == "cleared"


@pytest.mark.parametrize(
    "facts", [{"policy": "manual"}, {"verdict": Evaluation.Verdict.PASSED}]
)
def test_versions_that_passed_or_wait_for_a_person_are_not_held_back(project, facts):
    evaluated(project, 4, **facts)
    assert opened() == []


def test_a_version_is_no_longer_held_back_once_promoted_or_if_a_later_one_passes(
    project,
):
    held_back = evaluated(project, 4)
    Project.objects.filter(pk=project.pk).update(active_version=held_back)
    assert opened() == []
    evaluated(project, 5)
    evaluated(project, 6, verdict=Evaluation.Verdict.PASSED)
    assert opened() == []


def test_events_that_wait_for_a_worker(project):
    InboxEntry.objects.create(
        event_id=1,
        project=project,
        action="ANNOTATION_CREATED",
        received_at=timezone.now() - timedelta(minutes=11),
    )
    [(kind, pk, said)] = opened()
    assert (kind, pk) == ("events_waiting", project.pk)
    assert said.startswith("Events waiting since ")


def test_predictions_that_do_not_follow_the_served_version(project):
    Following.objects.create(project=project, problem="Label Studio is away.")
    assert opened() == [("not_following", project.pk, "Label Studio is away.")]


def test_rows_that_are_not_sealed(project):
    written(timedelta(minutes=2))
    [(kind, pk, said)] = opened()
    assert (kind, pk) == ("sealing_late", None)
    assert "a row has waited for 12" in said


def test_rows_that_wait_for_half_that_time_open_none(project):
    written(timedelta(seconds=45))
    assert opened() == []


@pytest.mark.parametrize(
    ("overdue_s", "state"), [(60, "open"), (180, "open"), (360, "cleared")]
)
def test_late_sealing_clears_below_half_of_the_time_that_opens_it(
    project, settings, overdue_s, state
):
    written(timedelta(minutes=2))
    assert len(opened()) == 1
    settings.AUDIT_SEAL_S = overdue_s / 6
    for _ in range(3):
        now = timezone.now()
        checks.record(checks.examine(QUIET, now), now)
    assert Alarm.objects.get().state == state


def test_a_model_process_that_does_not_answer(project, settings):
    settings.MODEL_PLACEMENT = "process"
    settings.MODEL_URL = "http://127.0.0.1:1"
    [(kind, pk, said)] = opened()
    assert (kind, pk) == ("model_process_down", None)
    assert said == (
        "The model process does not answer: predictions get status 503 or 504."
    )


def test_a_background_model_process_that_does_not_answer_either(project, settings):
    settings.MODEL_PLACEMENT = "process"
    settings.MODEL_URL = settings.BACKGROUND_MODEL_URL = "http://127.0.0.1:1"
    assert [said for _, _, said in opened()] == [
        "The model process does not answer: predictions get status 503 or 504.",
        "The background model process does not answer: evaluations and versions in"
        " shadow wait.",
    ]


def test_a_frozen_model_process_does_not_answer(project, settings, monkeypatch):
    settings.MODEL_PLACEMENT = "process"
    with frozen_model_process(monkeypatch) as url:
        settings.MODEL_URL = settings.BACKGROUND_MODEL_URL = url
        kinds = [kind for kind, _, _ in opened(Kind.MODEL_PROCESS_DOWN)]
    assert kinds == ["model_process_down"] * 2


def test_each_queue_that_no_worker_takes(monkeypatch, broker):
    taken = {"a worker": {"scheduled", "default"}}
    monkeypatch.setattr(conditions, "answering_workers", lambda: taken)
    said = "No worker takes messages of the queue “training”."
    assert opened(Kind.NO_WORKER) == [("no_worker", None, said)]


def test_with_no_worker_at_all_each_queue_has_an_alarm(broker):
    opened(Kind.NO_WORKER)
    subjects = Alarm.objects.open().values_list("subject", flat=True)
    assert set(subjects) == {"default", "scheduled", "training"}


@pytest.mark.parametrize("kind", [Kind.FAILED_RUN, Kind.NOT_FOLLOWING])
def test_an_archived_project_has_no_alarm(project, kind):
    run(project, "failed")
    Following.objects.create(project=project, problem="Label Studio is away.")
    Project.objects.update(archived_at=timezone.now())
    assert opened(kind) == []
