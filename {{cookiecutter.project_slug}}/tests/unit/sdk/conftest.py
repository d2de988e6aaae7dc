import os

import pytest

from label_studio_ml import task_cache
from label_studio_ml.shared import forget_shared
from label_studio_ml.state import forget_process_stores
from tests.http_stub import http_stub
from tests.unit.sdk.token_servers import configured, label_studio_and_another

OURS = ("LABEL_STUDIO_", "LSML_CACHE", "LSML_ALLOW", "TASK_CACHE_MB")


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch):
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    forget_process_stores()
    forget_shared()
    monkeypatch.setattr(task_cache, "_process_cache", None)


@pytest.fixture
def server():
    with http_stub() as stub:
        yield stub


@pytest.fixture
def cache_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("LSML_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def servers():
    with label_studio_and_another() as both:
        yield both


@pytest.fixture
def ls(servers, cache_dir, monkeypatch):
    configured(servers[0], monkeypatch)
    return servers[0]


@pytest.fixture
def other(servers):
    servers[1].requests.clear()
    return servers[1]
