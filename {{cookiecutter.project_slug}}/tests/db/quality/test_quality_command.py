"""`manage.py quality`: the verdicts on a project's versions."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.quality.models import Evaluation
from tests.console import factory

pytestmark = pytest.mark.django_db


def run(**options):
    output = io.StringIO()
    call_command("quality", project=1, stdout=output, **options)
    return output.getvalue()


@pytest.fixture
def served():
    """A project whose v2 was promoted, and whose v3 was held back."""
    of = factory.project()
    first, second, third = (factory.version(of, held_out_tasks=43) for _ in range(3))
    factory.evaluation(second, first, score=0.93, before=0.85)
    factory.promote(of, second, timezone.now())
    factory.evaluation(
        third, second, verdict="held back", promoted=False, score=0.7, before=0.93,
        reason="recall of Negative fell from 0.81 to 0.62 on 43 tasks",
    )  # fmt: skip
    return of


def test_it_prints_the_served_version_and_each_verdict_the_newest_first(served):
    lines = [" ".join(line.split()) for line in run().splitlines()]
    today = f"{timezone.now():%Y-%m-%d}"
    assert lines[0] == "Support mail serves v2."
    assert lines[1].startswith(f"v3 {today} ")
    assert lines[1].endswith(
        " against v2 held back: recall of Negative fell from 0.81 to 0.62 on 43 tasks"
    )
    assert lines[2].startswith(f"v2 {today} ")
    assert lines[2].endswith(" against v1 promoted: 0.85 → 0.93 on 43 held-out tasks")


def test_it_prints_the_recall_of_both_versions_by_label(served):
    text = run()
    assert "95 % interval on 43 held-out tasks" in text
    row = next(line for line in text.splitlines() if "Negative  " in line)
    assert "0.89 (0.81–0.95)" in row
    assert "0.66 (0.58–0.72)" in row
    assert row.index("0.89") < row.index("0.66")


def test_it_prints_why_the_service_rolled_back(served):
    first, second = served.versions.order_by("number")[:2]
    assert "rolled back" not in run()
    factory.promote(served, first, timezone.now())
    assert f"{second.version} was rolled back: the run succeeded" in run()


def test_it_prints_what_a_version_must_still_pass_in_shadow(served):
    last = Evaluation.objects.latest("pk")
    factory.evaluation(
        last.version, promoted=False, in_shadow_until=timezone.now(), reason="so far"
    )
    assert "  in shadow: so far" in run()
    factory.evaluation(last.version, reason="later", compared_on="shadow")
    text = run()
    assert "  promoted: later" in text
    assert "95 % interval on 43 annotated tasks, in shadow" in text
    assert json.loads(run(json=True, limit=1))[0]["compared_on"] == "shadow"


def test_it_prints_json_for_programs(served):
    rows = json.loads(run(json=True))
    assert [row["version"] for row in rows] == ["v3", "v2"]
    assert (rows[0]["compared_with"], rows[0]["verdict"]) == ("v2", "held back")
    assert (rows[0]["promoted"], rows[0]["tasks"]) == (False, 43)
    assert rows[0]["report"]["versions"][0]["score"][0] == 0.7


def test_it_prints_at_most_so_many_evaluations(served):
    assert [row["version"] for row in json.loads(run(json=True, limit=1))] == ["v3"]


def test_an_evaluation_that_failed_is_shown_with_its_error(served):
    Evaluation.objects.update(verdict="", state="failed", error="v3 is not there")
    assert "evaluation failed: v3 is not there" in run()


def test_evaluations_that_have_not_ended_are_left_out(served):
    Evaluation.objects.update(verdict="", state="running")
    assert "No version was evaluated yet" in run()
    assert json.loads(run(json=True)) == []


def test_a_project_without_evaluations_says_when_they_begin():
    factory.project()
    assert "begins with 30" in run()


def test_an_unknown_project_is_refused():
    with pytest.raises(CommandError, match="roject 1"):
        run()
