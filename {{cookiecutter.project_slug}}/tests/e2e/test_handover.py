"""A new model process replaces an old one, which restarts by itself: real processes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lsml.embedded.addresses import model_url
from lsml.model_process.address import listens, own_socket, socket_of
from tests.chaos.playground import ROOT
from tests.e2e.test_placements import predict, until_answered

pytestmark = pytest.mark.slow
_IN_CONTAINER = """
import socket, sys
socket.gethostname = lambda: "a new container"
from gunicorn.app.wsgiapp import run
sys.argv = ["gunicorn", "-c", "config/gunicorn_model.py", "config.model_process"]
run()
"""


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def new_container(service):
    """Run a second model process, as in a container of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_CONTAINER],
        env=os.environ | service.playground.environment | {"LSML_PROCESS": "model"},
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def test_the_old_model_process_leaves_the_socket_to_the_new_one(start_service):
    service = start_service(MODEL_PLACEMENT="process")
    until_answered(service)
    shared = Path(socket_of(model_url(service.folder)))
    old = Path(own_socket(str(shared)))
    assert shared.resolve() == old.resolve()
    with new_container(service) as new:
        until(lambda: shared.resolve() != old.resolve())
        program = service.playground.programs["model"]
        os.killpg(program.process.pid, signal.SIGKILL)
        until(lambda: program.starts == 2 and listens(old))
        until(lambda: "does not take over" in program.log.read_text())
        assert shared.resolve() != old.resolve()
        assert predict(service)[0] == 200
        assert new.poll() is None
