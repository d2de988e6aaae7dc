"""Live tasks and predictions are compared with those of the training snapshot."""

import random
from datetime import timedelta
from io import StringIO

import pytest
from celery import current_app
from django.core.management import call_command
from django.utils import timezone
from structlog.testing import capture_logs

from lsml.audit.fields import first_id_at
from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation, Task
from lsml.quality import tasks
from lsml.quality.drift import checking, samples
from lsml.quality.drift.checking import KEPT, WINDOW, check_drift
from lsml.quality.drift.services import drifting, latest_check
from lsml.quality.models import DriftCheck
from lsml.quality.statistics import divergence
from tests.db.audit.rows import a_prediction
from tests.db.quality.history import History, choice

pytestmark = pytest.mark.django_db

WORDS = ("the", "order", "was", "late", "my", "invoice", "please", "send", "again")
OTHERS = ("schedule", "a", "meeting", "about", "the", "merger", "with", "counsel")
HOUR = timedelta(hours=1)
TRAINED, HELD_OUT, LIVE = range(1, 141), range(141, 201), range(1001, 1201)


class Story:
    """A project whose v1 was trained on 140 tasks, with 60 held out."""

    def __init__(self, history, held_out=HELD_OUT):
        self.history = history
        self.project = history.project
        self.random = random.Random(7)
        self.task(range(1, 201))
        self.annotate(range(1, 201))
        version = history.train(
            *(100 * number for number in range(1, 141)),
            held_out=[100 * number for number in held_out],
            seconds=-864_000,
        )
        self.project.active_version = version
        self.project.save()
        self.predict(held_out, kind="shadow")

    def text(self, words=WORDS, length=10):
        spread = length // 2
        count = self.random.randint(length - spread, length + spread)
        return " ".join(self.random.choices(words, k=count))

    def task(self, numbers, **of_text):
        Task.objects.bulk_create(
            Task(
                project=self.project,
                task_id=number,
                data={"text": self.text(**of_text)},
                updated_at=timezone.now(),
            )
            for number in numbers
        )

    def label(self, refunds):
        return "Refund" if self.random.random() < refunds else "Billing"

    def annotate(self, numbers, refunds=0.5):
        Annotation.objects.bulk_create(
            Annotation(
                project=self.project,
                annotation_id=100 * number,
                task_id=number,
                result=choice(self.label(refunds)),
                updated_at=timezone.now(),
            )
            for number in numbers
        )

    def predict(self, numbers, *, refunds=0.5, kind="batch", ago=HOUR, **facts):
        """Predict tasks; each row gets the next key of that time."""
        start = first_id_at(timezone.now() - ago) + Prediction.objects.count() + 1
        Prediction.objects.bulk_create(
            a_prediction(
                pk=start + n,
                project_pk=self.project.pk,
                task_id=number,
                kind=kind,
                **{
                    "result": choice(self.label(refunds)),
                    "score": self.random.uniform(0.5, 1),
                }
                | facts,
            )
            for n, number in enumerate(numbers)
        )


@pytest.fixture(autouse=True)
def _few_splits(monkeypatch):
    monkeypatch.setattr(divergence, "_SPLITS", 500)


@pytest.fixture
def story(history):
    return Story(history)


def check():
    """Check, and return the verdicts by feature."""
    check_drift()
    row = DriftCheck.objects.order_by("-pk").first()
    return {each["name"]: each["differs"] for each in row.features}


def notes():
    check_drift()
    return " ".join(DriftCheck.objects.order_by("-pk").first().notes)


ALL = {
    "Length of text": False,
    "Vocabulary of text": False,
    "Share of annotated labels (topic)": False,
    "Share of predicted labels (topic)": False,
    "Distribution of scores": False,
}


def test_a_stable_project_does_not_drift(story):
    story.task(LIVE)
    story.annotate(LIVE[:100])
    story.predict(LIVE)
    assert check() == ALL
    row = latest_check(story.project)
    assert (row.model_version, row.live_tasks) == ("v1", 200)
    assert row.summary == "No drift on 200 tasks."
    assert drifting(timezone.now()) == []


def test_longer_texts_differ_in_their_length_alone(story):
    story.task(LIVE, length=30)
    story.predict(LIVE)
    with capture_logs() as logs:
        found = check()
    assert found["Length of text"]
    assert not found["Share of predicted labels (topic)"]
    assert not found["Distribution of scores"]
    [row] = drifting(timezone.now())
    assert row.summary.startswith(
        "Length of text differs from what v1 was trained on: median 1"
    )
    [warning] = [each for each in logs if each["log_level"] == "warning"]
    assert warning["features"] == ["Length of text"]


def test_other_words_differ_and_are_not_kept(story):
    story.task(LIVE, words=OTHERS)
    story.predict(LIVE)
    assert check()["Vocabulary of text"]
    row = latest_check(story.project)
    assert "% of the words new, before 0.0 % of the words new" in row.summary
    assert "merger" not in str(row.features)


def test_predicted_labels_and_scores_are_compared_with_those_of_held_out_tasks(story):
    story.task(LIVE)
    story.predict(LIVE, refunds=0.95, score=0.4)
    found = check()
    assert [name for name, differs in found.items() if differs] == [
        "Share of predicted labels (topic)",
        "Distribution of scores",
    ]
    row = latest_check(story.project)
    assert "differs from v1's predictions of held-out tasks" in row.sentences[0]
    assert "median 0.40, a tenth from 0.40, before median 0.7" in row.sentences[1]


def test_annotated_labels_are_compared_with_the_snapshot(story):
    story.task(LIVE)
    story.annotate(LIVE, refunds=0.95)
    story.predict(LIVE)
    found = check()
    assert [name for name, differs in found.items() if differs] == [
        "Share of annotated labels (topic)"
    ]
    assert "differs from what v1 was trained on" in latest_check(story.project).summary


def test_without_held_out_tasks_the_first_predictions_are_the_reference(history):
    story = Story(history, held_out=())
    story.predict(range(2001, 2301), ago=2 * HOUR)
    story.predict(LIVE, refunds=0.95)
    found = check()
    assert found["Share of predicted labels (topic)"]
    assert not found["Distribution of scores"]
    check_made = latest_check(story.project)
    assert "differs from v1's first predictions" in check_made.summary
    said = "are v1's first predictions, which these are compared with."
    assert [note for note in check_made.notes if said in note]


def test_the_size_of_images_is_that_of_the_regions(story):
    for numbers, side in ((HELD_OUT, 1000), (LIVE, 500)):
        region = choice("Refund", original_width=side, original_height=side)
        story.predict(numbers, result=region)
    assert check()["Size of images"]
    said = latest_check(story.project).summary
    assert "a tenth from 0.25 megapixels, before median 1.00, a tenth" in said


# --- Which tasks are compared ---


def test_tasks_of_the_snapshot_are_not_live(story):
    story.predict([*TRAINED, *HELD_OUT, *LIVE[:70]])
    check_drift()
    assert latest_check(story.project).live_tasks == 70


def test_a_task_counts_once_with_its_latest_prediction(story):
    story.predict(LIVE, score=0.4, ago=2 * HOUR)
    story.predict(LIVE, score=0.9)
    check_drift()
    row = latest_check(story.project)
    assert row.live_tasks == 200
    [scores] = [each for each in row.features if each["name"].endswith("scores")]
    assert scores["live"] == "median 0.90, a tenth from 0.90"


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "interactive"},
        {"kind": "shadow"},
        {"outcome": "error"},
        {"model_version": "v0"},
    ],
)
def test_what_annotators_are_not_shown_is_not_live(story, facts):
    story.predict(LIVE, **facts)
    story.predict([5000])
    assert "v1 predicted 1 tasks that it was not trained on" in notes()


def test_older_predictions_are_not_live(story, monkeypatch):
    monkeypatch.setattr(checking, "WINDOW", timedelta(minutes=90))
    story.predict(LIVE, ago=2 * HOUR)
    story.predict(range(3000, 3080))
    check_drift()
    assert latest_check(story.project).live_tasks == 80


def test_few_tasks_are_not_compared(story):
    story.predict(LIVE[:49])
    assert "predicted 49 tasks" in notes()
    row = latest_check(story.project)
    assert (row.features, row.summary) == ([], "Drift is not known.")


def test_what_is_not_compared_is_said(story):
    story.task(LIVE[:20])
    story.annotate(LIVE[:20])
    story.predict(LIVE)
    said = notes()
    assert "text is not compared: it is known here as a text of 20 of 200" in said
    assert "Annotated labels are not compared: 20 of the 200" in said


def test_recorded_inputs_stand_in_for_tasks_that_are_not_known(story):
    for number in LIVE[:60]:
        story.predict([number], input={"text": story.text()})
    assert check()["Length of text"] is False


def test_at_most_so_many_tasks_are_read(story, monkeypatch):
    monkeypatch.setattr(samples, "LIVE_MAX", 120)
    monkeypatch.setattr(samples, "REFERENCE_MAX", 100)
    story.task(LIVE)
    story.predict(LIVE)
    check_drift()
    row = latest_check(story.project)
    assert row.live_tasks == 120
    assert row.features[0]["reference_tasks"] == 100


def test_a_score_that_is_no_number_is_left_out(story):
    story.predict(LIVE[:100], score=float("nan"))
    story.predict(LIVE[100:])
    check_drift()
    [scores] = [
        each
        for each in latest_check(story.project).features
        if each["name"] == "Distribution of scores"
    ]
    assert scores["live_tasks"] == 100


# --- When ---


def test_a_project_that_cannot_be_checked_does_not_stop_the_others(story, monkeypatch):
    other = Story(History(labelstudio_id=8)).project
    called = []

    def fail(project, now):
        called.append(project.pk)
        raise ValueError

    monkeypatch.setattr(checking, "check_if_due", fail)
    with capture_logs() as logs:
        check_drift()
    assert set(called) == {story.project.pk, other.pk}
    assert [each["project"] for each in logs] == called


def test_a_project_that_takes_the_whole_round_does_not_keep_the_others_out(
    story, monkeypatch
):
    other = Story(History(labelstudio_id=8)).project
    called = []

    class Budget:
        def __init__(self, _):
            self.before = len(called)

        @property
        def is_used_up(self):
            return len(called) > self.before

    monkeypatch.setattr(checking, "Budget", Budget)
    monkeypatch.setattr(
        checking, "check_if_due", lambda project, now: called.append(project.pk)
    )
    for _ in range(50):
        check_drift()
    assert set(called) == {story.project.pk, other.pk}


@pytest.mark.parametrize("kind", [["choices"], {}, None])
def test_a_region_without_a_type_does_not_stop_the_check(story, kind):
    story.task(LIVE)
    story.predict(LIVE)
    story.predict([2000], result=choice("Refund", type=kind))
    check_drift()
    assert latest_check(story.project).live_tasks == 201


def later(**by):
    """Let the time since the last checks pass."""
    for row in DriftCheck.objects.all():
        row.checked_at -= timedelta(**by)
        row.save()


def test_a_project_is_checked_once_an_hour_after_new_predictions(story):
    story.predict(LIVE)
    check_drift()
    story.predict([3000], ago=HOUR / 2)
    check_drift()
    assert DriftCheck.objects.count() == 1
    later(hours=1)
    check_drift()
    assert DriftCheck.objects.count() == 2
    later(hours=1)
    check_drift()
    assert DriftCheck.objects.count() == 2


def test_after_too_few_tasks_it_is_checked_as_soon_as_there_may_be_enough(story):
    story.predict(LIVE[:30])
    check_drift()
    story.predict(LIVE[30:49], ago=HOUR / 2)
    check_drift()
    assert latest_check(story.project).live_tasks == 30
    story.predict(LIVE[49:50], ago=HOUR / 2)
    check_drift()
    assert latest_check(story.project).live_tasks == 50
    assert latest_check(story.project).features


def test_predictions_of_tasks_that_cannot_count_cause_no_check(story):
    story.predict(LIVE[:30])
    check_drift()
    story.predict([*LIVE[:30], *TRAINED, *[None] * 30], ago=HOUR / 2)
    check_drift()
    assert DriftCheck.objects.count() == 1


def test_a_new_version_is_checked_at_once(story):
    story.predict(LIVE)
    check_drift()
    second = story.history.train(100, 200, 300, seconds=-1)
    story.project.active_version = second
    story.project.save()
    story.predict(LIVE, model_version="v2", ago=HOUR / 2)
    check_drift()
    assert [row.model_version for row in DriftCheck.objects.order_by("pk")] == [
        "v1",
        "v2",
    ]


def test_a_model_that_was_not_trained_here_is_not_checked(history):
    history.project.save()
    check_drift()
    assert not DriftCheck.objects.exists()


def test_an_archived_project_is_not_checked(story):
    story.predict(LIVE)
    story.project.archived_at = timezone.now()
    story.project.save()
    check_drift()
    assert not DriftCheck.objects.exists()


def test_a_difference_lasts_until_it_is_below_the_lower_threshold(story):
    name = "Share of predicted labels (topic)"
    for numbers, refunds in ((HELD_OUT[:30], 1), (HELD_OUT[30:], 0)):
        story.predict(numbers, kind="shadow", refunds=refunds)
    for numbers, refunds in ((LIVE[:134], 1), (LIVE[134:], 0)):
        story.predict(numbers, refunds=refunds)
    assert check()[name] is False
    row = latest_check(story.project)
    for each in row.features:
        each["differs"] = True
    row.save()
    later(hours=1)
    story.predict(LIVE[:1], refunds=1, ago=HOUR / 2)
    found = check()
    assert found[name] is True
    assert found["Distribution of scores"] is False


def test_checks_are_deleted_after_a_month(story):
    story.predict(LIVE)
    check_drift()
    later(days=KEPT.days, minutes=1)
    check_drift()
    assert not DriftCheck.objects.filter(checked_at__lt=timezone.now() - KEPT).exists()


def test_beat_has_a_worker_check():
    entries = current_app.conf.beat_schedule.values()
    assert tasks.check_drift.name in {each["task"] for each in entries}


# --- Where it shows ---


def test_an_old_check_is_no_drift_now(story):
    story.predict(LIVE, refunds=0.95)
    check_drift()
    assert len(drifting(timezone.now())) == 1
    assert drifting(timezone.now() + WINDOW) == []


def test_a_version_that_is_no_longer_served_does_not_drift(story):
    story.predict(LIVE, refunds=0.95)
    check_drift()
    story.project.active_version = None
    story.project.save()
    assert drifting(timezone.now()) == []
    assert latest_check(story.project) is None


def test_the_command_prints_it(story):
    story.predict(LIVE, refunds=0.95)
    check_drift()
    output = StringIO()
    call_command("quality", "--project", "7", stdout=output)
    assert "Share of predicted labels (topic) differs from v1's" in output.getvalue()
    assert "text is not compared" in output.getvalue()


def test_it_says_why_a_feature_is_compared_on_fewer_tasks_than_were_checked(story):
    story.task(LIVE[:150])
    story.annotate(LIVE[:100])
    story.predict(LIVE)
    check_drift()
    row = latest_check(story.project)
    by_name = {each["name"]: each["live_tasks"] for each in row.features}
    assert row.live_tasks == 200
    assert by_name["Length of text"] == 150
    assert by_name["Share of annotated labels (topic)"] == 100
    assert row.notes[:2] == [
        "text: 150 of the 200 live tasks are compared; the others have no text that is"
        " known here.",
        "Annotated labels: 100 of the 200 live tasks are compared; the others have no"
        " annotation.",
    ]
