"""Jobs of every kind, without what their work needs."""

import itertools
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from lsml.jobs import lease
from lsml.jobs.kinds import kind_named
from lsml.jobs.running import stopping
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.training.runs import claim_run
from tests.broker import collect_messages

ORIGIN = Origin(request_id="test-request", client="tests")

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture(params=["training", "prediction", "audit"])
def kind(request):
    """Each kind of job."""
    return kind_named(request.param)


@pytest.fixture(params=["prediction", "audit"])
def run_kind(request):
    """Each kind whose work `run_job` does."""
    return kind_named(request.param)


@pytest.fixture
def worker_runs():
    """A worker that nobody asks to stop, and none that was asked before."""
    stopping.clear()
    yield
    stopping.clear()


def make(kind, **columns):
    """A queued job of that kind; each is of a project of its own."""
    facts = {"requested_by": "ann", "created_at": timezone.now(), **columns}
    if kind.name == "audit":
        return kind.model.objects.create(kind="verify", **facts)
    project = Project.objects.create(labelstudio_id=next(_numbers))
    if kind.name == "training":
        facts["trigger"] = "person"
    return kind.model.objects.create(project=project, **facts)


def claim(kind, job):
    """Claim it as this kind's worker does; None where it is not to be had."""
    if kind.name != "training":
        return lease.claim(kind.model, job.pk)
    claimed = claim_run(job.pk)
    return claimed and claimed[0]


def running(kind, **columns):
    """A job that a worker has claimed."""
    return claim(kind, make(kind, **columns))


def now(job):
    """The job as it is in the database."""
    return type(job).objects.get(pk=job.pk)


def fall_silent(job):
    """Let the lease run out; give the job as the sweeper finds it."""
    type(job).objects.filter(pk=job.pk).update(
        lease_expires_at=Now() - timedelta(days=1)
    )
    return now(job)
