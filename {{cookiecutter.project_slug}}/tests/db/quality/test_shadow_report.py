"""The version in shadow and the served one are compared on what was annotated since."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.inference.models import Shadow
from lsml.quality.budget import Budget
from lsml.quality.shadow import shadow_report
from lsml.registry.services import promote
from lsml.registry.shadow import start_shadow
from tests.db.quality.history import History

pytestmark = pytest.mark.django_db
NOW = timezone.now()
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(seconds=1)
FORTY = range(1, 41)
LABELS = ("Refund", "Billing")


class Story(History):
    """v1 is served and v2 is in shadow."""

    def begin(self, origin):
        self.train()
        self.train()
        v1, v2 = self.project.versions.order_by("number")
        about = {"actor": "ada", "reason": "", "origin": origin}
        promote(project=self.project, version=v1, **about)
        start_shadow(version=v2, **about)
        self.project.refresh_from_db()
        self.shadow = Shadow.objects.create(version=v2, seal_number=0)

    def serve(self, tasks, wrong=(), at=NOW, **facts):
        for task in tasks:
            label = LABELS[(task + (task in wrong)) % 2]
            self.predict(task, label, version="v1", created_at=at, **facts)

    def follow(self, tasks, wrong=(), state="predicted"):
        for task in tasks:
            self.shadow.tasks.create(task_id=task, state=state)
            label = LABELS[(task + (task in wrong)) % 2]
            if state == "predicted":
                self.predict(task, label, version="v2", kind="shadow")

    def decide(self, tasks, at=LATER):
        for task in tasks:
            self.annotate(task, LABELS[task % 2], created_at=at)


@pytest.fixture
def story(origin):
    story = Story()
    story.begin(origin)
    return story


def test_a_better_version_passes_with_the_figures_of_both(story):
    story.serve(FORTY, wrong=range(1, 11))
    story.follow(FORTY)
    story.decide(FORTY)
    found = shadow_report(story.project)
    assert (found.version, found.compared_with, found.percent) == ("v2", "v1", 20)
    assert (found.predicted, found.compared, found.passes) == (40, 40, True)
    assert found.verdict == "75 % → 100 % on 40 annotated tasks"
    new, old = found.figures["versions"]
    assert (new["score"][0], old["score"][0]) == (1.0, 0.75)


def test_a_worse_version_would_be_held_back(story):
    story.serve(FORTY)
    story.follow(FORTY, wrong=range(1, 11))
    story.decide(FORTY)
    found = shadow_report(story.project)
    assert found.passes is False
    assert found.verdict.startswith(
        "100 % → 75 % on 40 annotated tasks: with 80 % certainty at most"
    )


def test_few_tasks_are_said_plainly(story):
    story.serve([1, 2])
    story.follow([1, 2])
    story.decide([1, 2])
    found = shadow_report(story.project)
    assert found.passes is None
    assert found.verdict == "2 annotated tasks are too few to tell (20 needed)"


def test_an_annotation_made_before_the_prediction_does_not_count(story):
    story.serve([1, 2, 3])
    story.follow([1, 2, 3])
    story.decide([1], at=EARLIER)
    story.decide([2], at=None)
    story.decide([3])
    assert shadow_report(story.project).compared == 1


def test_a_task_counts_only_if_both_versions_predicted_it(story):
    story.serve([1, 2])
    story.follow([2, 3])
    story.decide([1, 2, 3])
    assert shadow_report(story.project).compared == 1


def test_the_first_prediction_counts_which_label_studio_kept(story):
    story.serve([1], wrong=[1], at=EARLIER)
    story.serve([1])
    story.follow([1])
    story.decide([1])
    old = shadow_report(story.project).figures["versions"][1]
    assert old["score"][0] == 0.0


def test_clicks_are_not_what_was_shown_for_the_task(story):
    story.serve([1], kind="interactive")
    story.follow([1])
    story.decide([1])
    assert shadow_report(story.project).compared == 0


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_tasks_that_one_of_them_was_trained_on_do_not_count(story, name):
    story.serve([1, 2])
    story.follow([1, 2])
    story.decide([1, 2])
    version = story.project.versions.get(version=name)
    story.project.snapshots.filter(digest=version.snapshot_digest).update(
        annotation_ids=[100]
    )
    assert shadow_report(story.project).compared == 1


def test_a_task_that_only_the_candidate_failed_on_counts_against_it(story):
    story.serve(FORTY)
    story.follow(range(1, 31))
    story.follow(range(31, 41), state="failed")
    story.decide(FORTY)
    found = shadow_report(story.project)
    assert (found.predicted, found.failed, found.compared) == (40, 10, 40)
    assert "100 % → 75 % on 40 annotated tasks (10 not answered)" in found.verdict


def test_the_figures_do_not_grow_with_the_queries(story, django_assert_max_num_queries):
    story.serve(FORTY)
    story.follow(FORTY)
    story.decide(FORTY)
    with django_assert_max_num_queries(14):
        shadow_report(story.project)


def test_a_report_without_time_compares_nothing(story):
    story.serve([1])
    story.follow([1])
    story.decide([1])
    assert shadow_report(story.project, budget=Budget(-1.0)).compared == 0


def run(*words):
    out = StringIO()
    call_command("shadow", "--project", "7", *words, stdout=out)
    return out.getvalue()


def test_the_command_prints_counts_scores_and_the_verdict(story):
    story.serve(FORTY, wrong=range(1, 11))
    story.follow(FORTY)
    story.follow([41], state="waiting")
    story.follow([42, 43], state="unknown")
    story.decide(FORTY)
    shown = run()
    assert "v2 in shadow of v1, 20 % of the tasks" in shown
    assert "40 tasks predicted (0 failed), 1 waiting, 2 not in the dataset, 0" in shown
    assert "40 compared with later annotations" in shown
    assert "v1           75 % (6" in shown
    assert "passes: 75 % → 100 % on 40 annotated tasks" in shown
    assert json.loads(run("--json"))["compared"] == 40


def test_the_command_starts_and_stops_with_a_reason(story):
    assert "v2 is no longer in shadow." in run("--stop", "--reason", "enough")
    assert "Start one with" in run()
    assert json.loads(run("--json")) is None
    assert "v2 predicts 5 %" in run("v2", "--percent", "5", "--reason", "again")
    entries = AuditEntry.objects.filter(verb__startswith="shadow").order_by("-pk")
    assert [(each.verb, each.reason) for each in entries[:2]] == [
        ("shadow started", "again"),
        ("shadow stopped", "enough"),
    ]
    story.project.refresh_from_db()
    assert story.project.shadow_percent == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["v2"], "Give a --reason"),
        (["v1", "--reason", "x"], "v1 is served already."),
        (["v9", "--reason", "x"], "There is no version 'v9'"),
        (["v2", "--percent", "0", "--reason", "x"], "1 to 100"),
    ],
)
def test_the_command_says_what_is_wrong(story, words, said):
    with pytest.raises(CommandError, match=said):
        run(*words)
