"""What beat sends does not wait for other messages."""

import os
import re
import subprocess
import sys

import pytest

from lsml.embedded.addresses import broker_url
from lsml.embedded.folders import prepare_folders
from lsml.embedded.management.commands.dev import worker_arguments
from lsml.embedded.servers import running
from tests.chaos.playground import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MESSAGES = 100
ENDED = re.compile(r"Task (\S+)\[\S+\] (?:succeeded|raised)")
SEND = f"""
from config import celery_app
for project in range(1, {MESSAGES} + 1):  # that do not exist
    celery_app.send_task("lsml.training.tasks.process_inbox", args=(project,))
celery_app.send_task(celery_app.conf.beat_schedule["seal"]["task"])
"""


@pytest.fixture
def environment(tmp_path):
    """Yield the variables of a service that has only its servers, with tables."""
    prepare_folders(tmp_path)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "e2e-" + "x" * 50,
        "LSML_DATA_DIR": str(tmp_path),
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": broker_url(tmp_path),
        "MODEL_CLASS": "tests.chaos.model.Remembering",
        "PYTHONWARNINGS": "ignore",
        "LOG_LEVEL": "DEBUG",  # so that Celery logs tasks
    }
    with running(tmp_path, durable=False):
        run(environment, "manage.py", "migrate", "--verbosity", "0")
        yield environment


def run(environment, *arguments):
    subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, check=True)


def tasks_of_worker(environment):
    """Yield the tasks that a worker with one thread ends, by name, in order."""
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "--quiet", "--app", "config"),
            *worker_arguments("default", threads=1),
        ],
        env=environment | {"LSML_PROCESS": "worker"},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with worker:
        try:
            for line in worker.stderr:
                if ended := ENDED.search(line):
                    yield ended[1]
        finally:
            worker.terminate()


def test_a_seal_does_not_wait_for_the_messages_of_events(environment):
    run(environment, "-c", SEND)
    before = []
    for task in tasks_of_worker(environment):
        if task == "lsml.audit.tasks.seal":
            break
        before.append(task)
    else:
        pytest.fail("the worker ended without sealing")
    assert len(before) < MESSAGES
