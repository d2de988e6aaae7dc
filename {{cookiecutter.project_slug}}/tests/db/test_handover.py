"""A new model process loads what the one before has in memory, and then takes over."""

import threading

import pytest

from lsml.inference.hosting.host import ModelHost, host
from lsml.inference.serving import handover
from lsml.observability.origin import Origin
from lsml.registry.models import INITIAL_VERSION, Project
from lsml.registry.served import Served
from tests.db.conftest import CONFIG
from tests.http_stub import http_stub
from tests.model_process import model_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def new(monkeypatch):
    """Return the models of a process that has none yet."""
    new = ModelHost()
    monkeypatch.setattr(handover, "host", new)
    return new


def loaded(host):
    return {(each.project_pk, each.version) for each in host.status().models}


@pytest.fixture
def old(settings, constant):
    """Run a model process that has a model in memory, and return its project."""
    Project.objects.create(labelstudio_id=7, created_stamp=1, label_config=CONFIG)
    project = Project.objects.get()
    serving = Served(project.pk, INITIAL_VERSION, project.label_config)
    host.load(serving, Origin.from_command("a test"))
    with model_process() as settings.MODEL_URL:
        yield project


def test_it_loads_what_the_process_before_has(old, new):
    signs = []
    handover.load_what_is_loaded(sign_of_life=lambda: signs.append(1))
    assert loaded(new) == {(old.pk, INITIAL_VERSION)}
    assert signs


def test_gunicorn_does_not_take_a_long_load_for_a_process_that_hangs(
    old, new, monkeypatch
):
    signs, enough, seen = [], threading.Event(), []

    def sign_of_life():
        signs.append(1)
        if len(signs) > 3:
            enough.set()

    monkeypatch.setattr(handover, "_SIGN_EVERY_S", 0.01)
    monkeypatch.setattr(new, "load", lambda *_: seen.append(enough.wait(5)))
    handover.load_what_is_loaded(sign_of_life=sign_of_life)
    assert seen == [True]


def test_a_model_that_does_not_load_does_not_keep_it_from_taking_over(
    old, new, monkeypatch
):
    def fail(*_, **__):
        raise RuntimeError("no memory")

    monkeypatch.setattr(new, "load", fail)
    handover.load_what_is_loaded(sign_of_life=lambda: None)
    assert loaded(new) == set()


def test_the_first_process_has_nothing_to_load(new, settings):
    settings.MODEL_URL = "http://127.0.0.1:9"
    handover.load_what_is_loaded(sign_of_life=lambda: None)
    assert loaded(new) == set()


def test_an_answer_that_is_not_understood_does_not_keep_it_from_taking_over(
    new, settings
):
    with http_stub() as other:
        settings.MODEL_URL = other.url
        other.answers["/status"] = b'{"models": [{"size": 3}]}'
        handover.load_what_is_loaded(sign_of_life=lambda: None)
    assert loaded(new) == set()
