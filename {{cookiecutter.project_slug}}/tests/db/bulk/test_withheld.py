"""Bulk predictions of tasks whose predictions annotators do not see."""

import pytest

from lsml.audit.models import Prediction
from lsml.inference.withheld import is_withheld
from tests.db.bulk.conftest import IDS, VERSION, counts

pytestmark = pytest.mark.django_db


@pytest.fixture
def withheld(project):
    """The tasks that are predicted but not sent."""
    project.withheld_percent = 50
    project.save()
    found = {number for number in IDS if is_withheld(project.pk, number, 50)}
    assert 0 < len(found) < len(IDS)
    return found


def test_they_are_predicted_and_counted_but_not_sent(run, studio, withheld):
    job = run()
    sent = len(IDS) - len(withheld)
    assert (job.state, job.done) == ("succeeded", 10)
    assert counts(job) == {"predicted": 10, "sent": sent, "withheld": len(withheld)}
    assert {task for task, _ in studio.predictions} == set(IDS) - withheld
    rows = Prediction.objects.filter(withheld=True)
    assert set(rows.values_list("task_id", flat=True)) == withheld
    assert f"{len(withheld)} not shown" in job.summary()
    assert job.lacking == 0


def test_running_it_again_adds_nothing(run, studio, withheld):
    run()
    rows, sent = Prediction.objects.count(), list(studio.predictions)
    again = run()
    assert counts(again) == {
        "already_there": len(IDS) - len(withheld), "withheld": len(withheld),
    }  # fmt: skip
    assert again.state == "succeeded"
    assert Prediction.objects.count() == rows
    assert studio.predictions == sent


def test_those_that_were_sent_before_stay_there(run, project, studio):
    run()
    project.withheld_percent = 50
    project.save()
    assert counts(run()) == {"already_there": 10}


def test_they_are_sent_once_they_no_longer_belong_to_the_share(
    run, project, studio, withheld
):
    run()
    project.withheld_percent = 0
    project.save()
    assert counts(run())["sent"] == len(withheld)
    assert studio.each_once(VERSION)


def test_another_version_predicts_them_too(run, project, studio, withheld):
    run()
    version = project.versions.create(
        number=1, version="v1", created_at=project.created_at
    )
    project.active_version = version
    project.save()
    job = run()
    assert counts(job)["predicted"] == 10
    rows = Prediction.objects.filter(withheld=True, model_version="v1")
    assert set(rows.values_list("task_id", flat=True)) == withheld
