"""A project of ten tasks, a stub of Label Studio, and jobs in small steps."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from lsml.dataset.models import Annotation, Task
from lsml.inference.bulk import batch, delivery, jobs, work
from lsml.inference.models import PredictionJob
from lsml.jobs import outcomes
from lsml.labelstudio.identity import ProjectKey
from lsml.registry.services import get_or_create_project
from tests.broker import collect_messages
from tests.db.conftest import CONFIG
from tests.studio_stub import studio_stub

VERSION = "0.0.1"
IDS = range(101, 111)


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch):
    monkeypatch.setattr(work, "STEP", 2)
    # Steps become smaller when calls are slow, as they are on a busy machine.
    monkeypatch.setattr(work, "next_step", lambda _size, *, took_s, most: most)
    monkeypatch.setattr(batch, "TASKS_MAX", 4)
    monkeypatch.setattr(delivery, "_POLL_S", 0.01)


@pytest.fixture
def project():
    project = get_or_create_project(ProjectKey.parse("1.1795433940"))
    project.label_config = CONFIG
    project.save()
    now = timezone.now()
    Task.objects.bulk_create(
        Task(project=project, task_id=number, data={"text": "t"}, updated_at=now)
        for number in IDS
    )
    return project


@pytest.fixture
def studio(settings):
    with studio_stub(CONFIG, IDS) as stub:
        settings.LABEL_STUDIO_API_KEY, settings.LABEL_STUDIO_URL = "key", stub.url
        yield stub


@pytest.fixture
def start(project, origin):
    def start(**options):
        return jobs.start_job(
            project=project,
            actor="olga",
            origin=origin,
            options=jobs.Options(**options),
        )

    return start


@pytest.fixture
def run(start, constant, studio):
    """Run a job to its end, and return it."""

    def run(job=None, **options):
        job = job or start(**options)
        work.predict_all(job.pk)
        job.refresh_from_db()
        return job

    return run


def counts(job):
    return {name: getattr(job, name) for name in job.COUNTS if getattr(job, name)}


def lose_worker():
    PredictionJob.objects.update(lease_expires_at=Now() - timedelta(minutes=5))
    outcomes.lose(PredictionJob.objects.get())


def annotate(project, *task_ids):
    now = timezone.now()
    Annotation.objects.bulk_create(
        Annotation(project=project, annotation_id=n, task_id=n, updated_at=now)
        for n in task_ids
    )
