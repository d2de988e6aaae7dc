"""Jobs of every kind, without their real work."""

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
# How many sequences of steps a state machine is tried on.
EXAMPLES = pytest.mark.parametrize(
    "examples", [5, pytest.param(40, marks=pytest.mark.slow)]
)

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def notifications(broker, monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture(params=["training", "prediction", "audit"])
def kind(request):
    """Each kind of job."""
    return kind_named(request.param)


@pytest.fixture(params=["prediction", "audit"])
def run_kind(request):
    """Each kind that `run_job` executes."""
    return kind_named(request.param)


@pytest.fixture
def worker_runs():
    """Clear the worker's request to stop, before and after a test."""
    stopping.clear()
    yield
    stopping.clear()


def make(kind, **columns):
    """Create a queued job of that kind, in a project of its own."""
    facts = {"requested_by": "ann", "created_at": timezone.now(), **columns}
    if kind.name == "audit":
        return kind.model.objects.create(kind="verify", **facts)
    project = Project.objects.create(labelstudio_id=next(_numbers))
    if kind.name == "training":
        facts["trigger"] = "person"
    return kind.model.objects.create(project=project, **facts)


def claim(kind, job):
    """Claim the job as its kind's worker does; None if it cannot be claimed."""
    if kind.name != "training":
        return lease.claim(kind.model, job.pk)
    claimed = claim_run(job.pk)
    return claimed and claimed[0]


def running(kind, **columns):
    """A job that a worker has claimed."""
    return claim(kind, make(kind, **columns))


def now(job):
    """Return the job as it is in the database."""
    return type(job).objects.get(pk=job.pk)


def fall_silent(job):
    """Let the lease expire, and return the job as the sweeper finds it."""
    type(job).objects.filter(pk=job.pk).update(
        lease_expires_at=Now() - timedelta(days=1)
    )
    return now(job)
