"""`manage.py dev` and its processes wait for each other."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lsml.environment import handshake
from lsml.environment.handshake import Handshake

PROJECT = Path(__file__).parents[3]
WORKER = """
from lsml.environment import handshake
print("started", flush=True)
handshake.wait_for_go()
print("go", flush=True)
input()
handshake.report_working()
handshake.wait_until_ready()
print("ready", flush=True)
"""


@pytest.fixture
def start():
    """Start a process that follows the protocol as a worker does."""
    started = []

    def start(descriptors):
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER],
                cwd=PROJECT,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=list(descriptors.values()),
                env=os.environ | {name: str(end) for name, end in descriptors.items()},
            )
        )
        assert started[-1].stdout.readline() == "started\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_silent(process):
    """Return whether the process prints nothing for half a second."""
    return not select.select([process.stdout], [], [], 0.5)[0]


def work(process):
    """Make the process report that it works."""
    process.stdin.write("\n")
    process.stdin.flush()


def test_workers_go_on_when_dev_says_so_and_report_that_they_work(start):
    shake = Handshake()
    first, second = start(shake.worker), start(shake.worker)
    assert is_silent(first)
    shake.go()
    assert first.stdout.readline() == second.stdout.readline() == "go\n"
    work(first)
    assert is_silent(first)
    assert not shake.all_work()
    work(second)
    deadline = time.monotonic() + 20
    while not shake.all_work():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert is_silent(second)
    shake.ready()
    assert first.stdout.readline() == second.stdout.readline() == "ready\n"


def test_web_reports_that_it_cannot_import_the_model(monkeypatch):
    shake = Handshake()
    monkeypatch.setenv("LSML_DEV_NO_MODEL", str(os.dup(shake.web["LSML_DEV_NO_MODEL"])))
    shake.go()
    assert not shake.lacks_model()
    handshake.report_no_model()
    assert shake.lacks_model()


def test_a_process_that_dev_did_not_start_waits_for_nothing(monkeypatch):
    for name in [name for name in os.environ if name.startswith("LSML_DEV_")]:
        monkeypatch.delenv(name)
    handshake.wait_for_go()
    handshake.report_working()
    handshake.report_no_model()
    handshake.wait_until_ready()
