import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from lsml.dataset.models import Task
from lsml.registry.models import ModelVersion, Project
from tests.db.api_v1.jobs import MODELS
from tests.db.audit.rows import predict


@pytest.fixture(autouse=True)
def empty_throttles():
    cache.clear()


@pytest.fixture
def person(db):
    """Make a user of a group."""

    def make(group=None, name="ana"):
        user = User.objects.create_user(name, password="correct horse")
        if group:
            user.groups.add(Group.objects.get(name=group))
        return user

    return make


@pytest.fixture
def client_of():
    def make(user):
        client = APIClient()
        client.force_authenticate(user)
        return client

    return make


@pytest.fixture
def viewer(person, client_of):
    return client_of(person("viewer"))


@pytest.fixture
def auditor(person, client_of):
    return client_of(person("auditor", "otto"))


@pytest.fixture
def operator(person, client_of):
    return client_of(person("operator", "olga"))


@pytest.fixture
def project(db):
    """A project with one known task."""
    project = Project.objects.create(labelstudio_id=41)
    Task.objects.create(
        project=project, task_id=1, data={"text": "a"}, updated_at=timezone.now()
    )
    return project


@pytest.fixture
def version(project):
    """A version that has two held-out tasks."""
    return ModelVersion.objects.create(
        project=project,
        number=1,
        version="v1",
        held_out_tasks=2,
        created_at=timezone.now(),
    )


@pytest.fixture
def a_job(project, version):
    """Make a job of a kind."""

    def make(name, **facts):
        own = {
            "runs": {"project": project, "trigger": "person"},
            "prediction-jobs": {"project": project, "total": 1},
            "evaluations": {"project": project, "version": version},
            "audit-jobs": {"kind": "verify"},
        }[name]
        facts = {"requested_by": "ana", "created_at": timezone.now()} | own | facts
        return MODELS[name].objects.create(**facts)

    return make


@pytest.fixture
def five(db):
    """Five predictions, oldest first."""
    return predict(3, task_id=1, model_version="v1") + predict(
        2, task_id=2, model_version="v2", outcome="error", request_id="request-9"
    )
