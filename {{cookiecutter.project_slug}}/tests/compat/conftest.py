"""Models as users of the reference SDK write them, each used as `model.py`."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from label_studio_ml.hosting import model_classes
from label_studio_ml.state import forget_process_stores
from tests.db.conftest import api, placement, post, serve  # noqa: F401 - fixtures
from tests.http_stub import http_stub

MODELS = Path(__file__).parent / "models"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("LABEL_STUDIO_", "LSML_CACHE", "LSML_ALLOW")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LSML_CACHE_DIR", str(tmp_path / "cache"))
    forget_process_stores()


@pytest.fixture
def server():
    with http_stub() as stub:
        yield stub


@pytest.fixture
def label_studio(server, monkeypatch):
    """A fake Label Studio, configured as users configure it."""
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_HOST", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    server.answers["/api/version"] = {"release": "1.23.2"}
    return server


@pytest.fixture
def drop_in(monkeypatch):
    """Import one of the models as the module `model`, and return its class."""

    def import_model(name):
        spec = importlib.util.spec_from_file_location("model", MODELS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "model", module)
        spec.loader.exec_module(module)
        (model_class,) = model_classes(module)
        return model_class

    return import_model


@pytest.fixture
def installed(drop_in, serve):  # noqa: F811 - the fixture imported above
    """Replace the project's model.py by one of the models."""

    def install(name):
        drop_in(name)
        serve("")

    return install


@pytest.fixture
def annotated(label_studio):
    """Label Studio's API with two annotated texts and a skipped one."""

    def task(number, text, topic, **annotation):
        result = [{"from_name": "topic", "value": {"choices": [topic]}}]
        annotations = [{"result": result} | annotation]
        return {"id": number, "data": {"text": text}, "annotations": annotations}

    tasks = [
        task(1, "the match was lost", "Sport"),
        task(2, "the bank was lost", "Money"),
        task(3, "skipped", "Money", was_cancelled=True),
        task(4, "a goal a match", "Sport"),
    ]
    label_studio.answers |= {
        "/api/projects/1": {"id": 1, "title": "News"},
        "/api/projects/7": {"id": 7, "title": "News"},
        "/api/tasks": {"tasks": tasks, "total": 4, "end_pagination": True},
    }
    return label_studio
