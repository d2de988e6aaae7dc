"""The queries by which KEDA decides the number of pods count the work that waits."""

from pathlib import Path

import pytest
import yaml
from django.db import connection
from django.utils import timezone

from lsml.audit.models import AuditJob
from lsml.jobs.models import Job
from lsml.registry.models import Project
from lsml.training.models import TrainingRun
from tests.db.conftest import CONFIG

SCALING = Path(__file__).parents[2] / "deploy/kubernetes/components/keda/scaling.yaml"
TRIGGERS = {
    scaled["metadata"]["name"]: scaled["spec"]["triggers"][0]["metadata"]
    for scaled in yaml.safe_load_all(SCALING.read_text())
}
pytestmark = pytest.mark.django_db


def waiting(name):
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS[name]["query"])
        [[number]] = cursor.fetchall()
    return number


def in_each_state(model, **facts):
    for state in Job.State:
        model.objects.create(
            state=state, created_at=timezone.now(), requested_by="test", **facts
        )


def test_runs_that_wait_or_are_trained_need_a_pod():
    assert waiting("training") == 0
    for number, state in enumerate(Job.State):
        TrainingRun.objects.create(
            project=Project.objects.create(
                labelstudio_id=number, created_stamp=1, label_config=CONFIG
            ),
            state=state,
            created_at=timezone.now(),
            requested_by="test",
            trigger="person",
        )
    assert waiting("training") == len(Job.ACTIVE)


def test_jobs_that_wait_or_run_need_a_pod():
    assert waiting("worker") == 0
    in_each_state(AuditJob, kind="verify")
    assert waiting("worker") == len(Job.ACTIVE)
