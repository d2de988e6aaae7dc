"""Loading a version that hangs does not keep a worker for ever."""

import threading
import time

import pytest
from django.db import connections
from structlog.testing import capture_logs

from lsml.inference.errors import ModelNotLoadable
from lsml.inference.hosting import host as hosting
from lsml.inference.hosting.host import host
from lsml.inference.services import predict_shadow
from lsml.registry.models import INITIAL_VERSION, Project
from lsml.registry.served import Served
from tests.db.conftest import CONFIG, tasks
from tests.models.loading import WaitingModel

# A worker loads in a thread of its own, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def serving():
    return served(1)


@pytest.fixture(autouse=True)
def hanging(serve, settings, monkeypatch):
    settings.PROCESS = "worker"
    monkeypatch.setattr(hosting, "LOAD_TIMEOUT_S", 0.3)
    serve("tests.models.loading.WaitingModel")
    WaitingModel.hold()
    yield
    WaitingModel.go_on.set()


def served(labelstudio_id):
    project = Project.objects.create(labelstudio_id=labelstudio_id)
    return Served(project.pk, INITIAL_VERSION, CONFIG)


def gives_up(serving, origin):
    with pytest.raises(ModelNotLoadable, match=r"0\.0\.1 did not load within 0\.3 s"):
        host.load(serving, origin)


def test_a_worker_gives_up_and_tries_no_second_time(serving, origin):
    gives_up(serving, origin)
    WaitingModel.begun.clear()
    gives_up(serving, origin)
    assert not WaitingModel.begun.is_set()


def test_the_log_says_which_version_hangs_and_where(serving, origin):
    with capture_logs() as logs:
        gives_up(serving, origin)
        until = time.monotonic() + 10
        while not logs and time.monotonic() < until:
            time.sleep(0.05)
    (entry,) = logs
    assert (entry["event"], entry["call"]) == ("the model hangs", "load()")
    assert entry["version"] == INITIAL_VERSION
    assert "hosting/loading.py" in entry["stack"]


def test_other_projects_are_predicted_meanwhile(serving, origin, monkeypatch):
    def load():
        gives_up(serving, origin)
        connections.close_all()

    thread = threading.Thread(target=load)
    thread.start()
    assert WaitingModel.begun.wait(5)
    WaitingModel.waits = False
    monkeypatch.setattr(hosting, "LOAD_TIMEOUT_S", 30.0)
    found = predict_shadow(served(2), tasks(1), origin=origin)
    assert len(found.by_task) == 1
    thread.join()


def test_if_it_loads_after_all_the_version_is_used(serving, origin):
    gives_up(serving, origin)
    WaitingModel.go_on.set()
    until = time.monotonic() + 10
    while not host.status().models and time.monotonic() < until:
        time.sleep(0.01)
    assert len(predict_shadow(serving, tasks(1), origin=origin).by_task) == 1
