"""What tests with a database share: a client, a served model, recorded requests."""

import json
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from lsml.inference.bulk import work
from lsml.inference.hosting.host import host
from lsml.observability.origin import Origin
from lsml.registry import served
from lsml.registry.model_class import model_class
from tests.http_stub import http_stub
from tests.model_process import model_process

PROTOCOL = Path(__file__).resolve().parent.parent / "protocol"
CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)


@pytest.fixture
def api():
    return APIClient(raise_request_exception=False)


@pytest.fixture(autouse=True)
def nobody_guessed():
    cache.clear()


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    """Forget the projects of other tests, as a new web process does."""
    monkeypatch.setattr(served, "_remembered", {})


@pytest.fixture(autouse=True)
def calls_in_one_thread(request, monkeypatch):
    """Let jobs call the model in their own thread, if a test has a transaction.

    Other threads would not see its rows.
    """
    mark = request.node.get_closest_marker("django_db")
    if not (mark and mark.kwargs.get("transaction")):
        monkeypatch.setattr(work, "calls_at_once", lambda _project: 1)


@pytest.fixture
def server():
    """A host on loopback that records its requests."""
    with http_stub() as stub:
        yield stub


@pytest.fixture
def post(api):
    """Call an endpoint as Label Studio does, and return the response."""

    def call(path, body, **headers):
        return api.post(path, body, format="json", **headers)

    return call


@pytest.fixture
def serve(settings):
    """Serve another model than model.py's for one test."""

    def use(path):
        settings.MODEL_CLASS = path
        model_class.cache_clear()
        host.clear()

    yield use
    model_class.cache_clear()
    host.clear()


@pytest.fixture(params=["web", "process"])
def placement(request, settings):
    """Run the test with the models in this process, and in a model process."""
    settings.MODEL_PLACEMENT = request.param
    if request.param == "web":
        yield request.param
        return
    # The fixture of the database is requested by the test's mark, and comes first.
    with model_process() as settings.MODEL_URL:
        yield request.param


@pytest.fixture
def constant(serve):
    serve("tests.models.constant.ConstantModel")


@pytest.fixture
def scripted(serve):
    from tests.models.scripted import ScriptedModel

    serve("tests.models.scripted.ScriptedModel")
    ScriptedModel.answer, ScriptedModel.calls, ScriptedModel.made = None, [], 0
    return ScriptedModel


@pytest.fixture
def origin():
    return Origin(request_id="test-request", client="test")


def recorded(name):
    """The body of a request that the real Label Studio sent."""
    return json.loads((PROTOCOL / f"{name}.json").read_text())["request"]


def tasks(count):
    """Tasks as Label Studio sends them, shortened."""
    return [{"id": i, "data": {"text": f"text {i}"}} for i in range(1, count + 1)]


def order(count=1, **more):
    return {"tasks": tasks(count), "project": "1.1795433940", **more}


def database_url():
    """The test database, for the environment of another process."""
    database = connection.settings_dict
    host = database["HOST"] or database["OPTIONS"].get("host")
    return (
        f"postgresql://{database['USER']}:{database['PASSWORD']}@/{database['NAME']}"
        f"?host={host}&port={database['PORT'] or 5432}"
    )
