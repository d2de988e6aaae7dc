"""With two model processes, a version that is not served cannot harm those that are."""

import itertools
import os
import re
import signal
import tempfile
import threading
import time
from contextlib import contextmanager

import pytest

from tests.e2e.test_placements import until_answered

pytestmark = pytest.mark.slow

# v1 is served, v2 is new, and 40 tasks were held out from both. The sweeper finds that
# v2 was not evaluated.
PREPARE = """
from django.db import transaction
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.services import promote
from lsml.registry.shadow import start_shadow
from tests.db.quality.history import History

facts = {"actor": "ada", "reason": "", "origin": Origin(request_id="e2e", client="e2e")}
history = History.__new__(History)
history.project = Project.objects.get()
"""
TRAIN = """
history.annotate_all({task: "Refund" for task in range(1, 41)})
ids = [100 * task for task in range(1, 41)]
history.train(held_out=ids)
promote(project=history.project, version=history.project.versions.get(), **facts)
"""
WITHOUT_ARTIFACT = "history.train(held_out=ids)\n"
SHADOW = """
v2 = history.project.versions.get(version="v2")
start_shadow(version=v2, percent=100, **facts)
"""
WITH_ARTIFACT = """
import pathlib, tempfile
from lsml.registry.artifacts import store_artifact
with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "weights").write_text("0")
    stored = store_artifact(pathlib.Path(folder), key="v2.tar")
with transaction.atomic():
    v2 = history.train(held_out=ids)
    v2.artifact_key, v2.artifact_sha256 = stored.key, stored.sha256
    v2.artifact_bytes = stored.size
    v2.save()
"""
BY_HAND = "Project.objects.update(promotion_policy='manual')\n"


@pytest.fixture
def start(start_service):
    """Start a service with two model processes."""
    with tempfile.TemporaryDirectory(prefix="lsml-") as folder:  # a short path

        def start(**environment):
            service = start_service(
                MODEL_PLACEMENT="process",
                BACKGROUND_MODEL_URL=f"unix://{folder}/background.sock",
                AUDIT_SEAL_S="2",
                **environment,
            )
            until_answered(service)
            return service

        yield start


def run(service, *parts):
    service.playground.run("manage.py", "shell", "-c", "".join([PREPARE, *parts]))


@contextmanager
def people_predict(service):
    """Predict one task after the other, and yield the answers so far."""
    answers, stop = [], threading.Event()

    def keep_predicting():
        for number in itertools.count():
            if stop.wait(0.02):
                return
            task = {"id": number % 40 + 1, "data": {"text": "hm"}}
            body = {"tasks": [task], "project": "1.1795433940", "params": {}}
            answers.append(service.call("POST", "/predict", body))

    clients = [threading.Thread(target=keep_predicting) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        stop.set()
        for client in clients:
            client.join()


def assert_all_are_from_v1(answers):
    assert {status for status, _ in answers} == {200}
    versions = {answer["results"][0]["model_version"] for _, answer in answers}
    assert versions == {"v1"}
    assert len(answers) > 100


def test_a_candidate_that_ends_its_process_leaves_the_served_version_alone(start):
    service = start(MODEL_CLASS="tests.models.serving.Candidate")
    run(service, TRAIN, WITH_ARTIFACT)
    with people_predict(service) as answers:
        ((error,),) = service.until(
            "SELECT error FROM quality_evaluation WHERE state = 'failed'",
            within_s=240,  # three attempts
        )
        run(service, SHADOW)
        ((reason,),) = service.until(
            "SELECT reason FROM audit_auditentry WHERE verb = 'shadow stopped'",
            within_s=120,
        )
    said = r"v2 was predicting task \d+\. The model process ended"
    assert re.search(said, error)
    assert re.match(said, reason)
    assert_all_are_from_v1(answers)


def test_people_get_answers_while_the_background_model_process_is_away(start):
    service = start(MODEL_CLASS="tests.models.serving.Obedient")
    programs = service.playground.programs
    background = programs.pop("model-2")  # nobody starts it again
    os.killpg(background.process.pid, signal.SIGKILL)
    run(service, BY_HAND, TRAIN, WITHOUT_ARTIFACT, SHADOW)
    with people_predict(service) as answers:
        service.until("SELECT 1 FROM quality_evaluation WHERE state = 'running'")
        service.until("SELECT 1 FROM inference_shadowtask WHERE state = 'waiting'")
        assert not service.rows("SELECT 1 FROM audit_prediction WHERE kind = 'shadow'")
        programs["model-2"] = background
        service.until("SELECT 1 FROM quality_evaluation WHERE state = 'succeeded'")
        service.until("SELECT 1 FROM inference_shadowtask WHERE state = 'predicted'")
        os.killpg(background.process.pid, signal.SIGKILL)
        time.sleep(2)
    assert_all_are_from_v1(answers)
