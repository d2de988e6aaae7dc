"""`manage.py quality`: the verdicts on a project's versions."""

import io
import json
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.dataset.models import LiveAgreementDay
from lsml.quality.models import DriftCheck, Evaluation
from tests.console import factory
from tests.db.audit.rows import predict

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
        reason="recall of Negative fell from 81 % to 62 % on 43 tasks",
    )  # fmt: skip
    return of


def test_it_prints_the_served_version_and_each_verdict_the_newest_first(served):
    lines = [" ".join(line.split()) for line in run().splitlines()]
    today = f"{timezone.now():%Y-%m-%d}"
    assert lines[0] == "Support mail serves v2."
    third, second = (line for line in lines if today in line)
    assert third.startswith(f"v3 {today} ")
    assert third.endswith(
        " against v2 held back: recall of Negative fell from 81 % to 62 % on 43 tasks"
    )
    assert second.startswith(f"v2 {today} ")
    assert second.endswith(" against v1 promoted: 85 % → 93 % on 43 held-out tasks")


def test_it_prints_the_recall_of_both_versions_by_label(served):
    text = run()
    assert "95 % interval on 43 held-out tasks" in text
    row = next(line for line in text.splitlines() if "Negative  " in line)
    assert "89 % (81–95 %)" in row
    assert "66 % (58–72 %)" in row
    assert row.index("89 %") < row.index("66 %")


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
    assert (
        json.loads(run(json=True, limit=1))["evaluations"][0]["compared_on"] == "shadow"
    )


def test_it_says_that_live_agreement_is_not_known(served):
    assert "v2           live agreement not known: no prediction was annotated" in run()


def test_it_prints_json_for_programs(served):
    rows = json.loads(run(json=True))["evaluations"]
    assert [row["version"] for row in rows] == ["v3", "v2"]
    assert (rows[0]["compared_with"], rows[0]["verdict"]) == ("v2", "held back")
    assert (rows[0]["promoted"], rows[0]["tasks"]) == (False, 43)
    assert rows[0]["report"]["versions"][0]["score"][0] == 0.7


def test_it_prints_at_most_so_many_evaluations(served):
    rows = json.loads(run(json=True, limit=1))["evaluations"]
    assert [row["version"] for row in rows] == ["v3"]


def test_an_evaluation_that_failed_is_shown_with_its_error(served):
    Evaluation.objects.update(verdict="", state="failed", error="v3 is not there")
    assert "evaluation failed: v3 is not there" in run()


def test_evaluations_that_have_not_ended_are_left_out(served):
    Evaluation.objects.update(verdict="", state="running")
    assert "No version was evaluated yet" in run()
    assert json.loads(run(json=True))["evaluations"] == []


def test_a_project_without_evaluations_says_when_they_begin():
    factory.project()
    assert "begins with 30" in run()


def test_an_unknown_project_is_refused():
    with pytest.raises(CommandError, match="roject 1"):
        run()


def drifted(served, *, differs=True):
    feature = {"name": "Length of text", "differs": differs, "sentence": "It differs."}
    DriftCheck.objects.create(
        project=served,
        model_version=served.served_version,
        checked_at=timezone.now(),
        latest_prediction=1,
        live_tasks=500,
        features=[feature],
        notes=["title is not compared."],
    )


def annotated(served):
    """Annotations that say what to expect of predictions without one."""
    LiveAgreementDay.objects.create(
        project=served,
        model_version=served.served_version,
        day=timezone.now().date(),
        sums={
            "overall": {"": [60, 45, 45]},
            "scores": {"8": [60, 51, 45]},
            "not_shown": {"": [25, 21, 21]},
        },
    )
    predict(project_pk=served.pk, model_version=served.served_version, score=0.85)


def test_the_json_has_all_that_is_printed(served):
    annotated(served)
    drifted(served)
    served.shadow_version = served.versions.get(version="v3")
    served.save()
    text, found = run(), json.loads(run(json=True))
    assert found["served_version"] == "v2"
    [shown, _] = found["live"]
    assert shown["agreement"][0] == 0.75
    assert shown["not_shown"]["meaning"] in text
    assert found["expected"]["sentence"] in text
    assert found["expected"]["warning"] in text
    assert found["drift"]["summary"] == "It differs."
    assert found["drift"]["notes"] == ["title is not compared."]
    assert "v3           in shadow, 20 % of the tasks: " in text
    assert found["shadow"]["verdict"] in text
    assert found["evaluations"][0]["reason"] in text


def test_the_documentation_names_the_fields_of_the_json(served):
    text = (Path(__file__).parents[3] / "docs/quality.md").read_text()
    rows = text.partition("| field of `--json` |")[2].partition("\n\n")[0]
    documented = re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)
    assert documented == list(json.loads(run(json=True)))


def test_a_warning_of_drift_stands_beside_the_expected_agreement(served):
    annotated(served)
    drifted(served, differs=False)
    assert "Do not rely on" not in run()
    drifted(served)
    lines = run().splitlines()
    at = next(n for n, line in enumerate(lines) if "Expected agreement" in line)
    assert "Do not rely on the expected agreement" in lines[at + 1]


def test_it_says_that_drift_was_not_checked_and_when_it_will_be(served):
    assert "Drift is not checked: v2 was not trained here" in run()
    served.versions.update(snapshot_digest="1")
    assert "not checked yet: v2 has predicted no task. It is checked within 5" in run()
    predict(project_pk=served.pk, model_version="v2")
    assert "not checked yet: it will be within 5 minutes" in run()
    assert "within 5 minutes" in json.loads(run(json=True))["drift"]["summary"]


def test_it_says_what_a_policy_does_that_does_not_compare(served):
    Evaluation.objects.filter(verdict="held back").update(policy="always")
    assert (
        "did not pass: recall of Negative fell from 81 % to 62 % on 43 tasks. The"
        " policy promotes every new version." in run()
    )
