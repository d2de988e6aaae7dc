"""`manage.py doctor` beside a running service, of which parts are stopped."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.chaos.playground import ROOT
from tests.e2e.test_frozen_database import frozen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def doctor(service):
    """Return the exit status, and the level of each item that needs attention."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        env=os.environ | service.playground.environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    attention = {each["item"]: each["level"] for each in found if each["level"] != "ok"}
    return done.returncode, attention


def test_doctor_finds_what_was_stopped_and_nothing_else(start_service):
    service = start_service()
    service.until_trained(service.annotate(1))
    assert doctor(service) == (0, {})

    worker = service.playground.programs["default"]
    worker.send(signal.SIGSTOP)
    assert doctor(service) == (1, {"queue default": "problem"})
    worker.send(signal.SIGCONT)

    with frozen(service):
        status, attention = doctor(service)
    assert (status, attention.pop("PostgreSQL")) == (1, "problem")
    assert set(attention.values()) == {"warning"}  # what needs PostgreSQL
    assert "triggers" in attention
    assert "broker" not in attention

    service.broker.stop()
    assert doctor(service) == (1, {"broker": "problem", "workers": "problem"})
