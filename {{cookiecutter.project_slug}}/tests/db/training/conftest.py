"""Trainings in their real processes, on the test database, without a broker."""

import itertools

import pytest

from lsml.audit.services import digest_of
from lsml.jobs.running import stopping
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.registry.models import Project
from lsml.registry.storage_url import storage_from_url
from lsml.training.inbox import process as inbox_process
from lsml.training.inbox.accept import receive
from lsml.training.models import TrainingRun
from lsml.training.runs import claim_run
from lsml.training.worker import training_process
from lsml.training.worker.supervisor import Supervisor
from lsml.training.worker.training_process import warm_process
from tests.broker import collect_messages
from tests.db.conftest import CONFIG, database_url
from tests.db.training.forking import forked
from tests.db.training.watching import ORIGIN, InBackground

PROJECT = {"id": 7, "created_at": "2026-11-23T11:39:00Z", "title": "Sounds"}


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture
def project(db):
    """A project that is stored as `tests.db.training.receiving` sends it."""
    return Project.objects.create(
        labelstudio_id=7, created_stamp=1795433940, title="Sounds", label_config=CONFIG
    )


class LabelStudio:
    """Sends events as Label Studio does."""

    def __init__(self):
        self.seconds = itertools.count()

    def send(self, action, **body):
        body = {"action": action, "project": PROJECT, **body}
        return receive(
            request=WebhookRequest.parse(body),
            body=body,
            digest=digest_of(body),
            origin=ORIGIN,
        )

    def now(self):
        second = next(self.seconds)
        return f"2026-11-23T12:{second // 60:02}:{second % 60:02}Z"

    def annotation(self, number, *, task=None, choice="Positive", **changes):
        return {
            "id": number,
            "task": task or 1000 + number,
            "result": [
                {
                    "from_name": "sentiment",
                    "to_name": "text",
                    "type": "choices",
                    "value": {"choices": [choice]},
                }
            ],
            "was_cancelled": False,
            "updated_at": self.now(),
            **changes,
        }

    def annotate(self, number, action="ANNOTATION_CREATED", **changes):
        annotation = self.annotation(number, **changes)
        return self.send(
            action,
            annotation=annotation,
            task={
                "id": annotation["task"],
                "data": {"text": f"text {number}"},
                "updated_at": self.now(),
            },
        )

    @property
    def project(self):
        return Project.objects.get(labelstudio_id=7)


@pytest.fixture
def studio():
    return LabelStudio()


class Worker:
    """Executes in this process what the two Celery tasks do."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    def serve(self, model, **environment):
        self.use(f"tests.models.learning.{model}", **environment)

    def use(self, name, **environment):
        self._monkeypatch.setenv("MODEL_CLASS", name)
        for key, value in environment.items():
            self._monkeypatch.setenv(key, value)
        self._monkeypatch.setattr(inbox_process, "_model_learns", lambda: True)

    def process_inbox(self):
        return [
            run
            for project in Project.objects.all()
            if (run := inbox_process.process_waiting_events(project.pk))
        ]

    def begin(self):
        """Claim the queued run; None if there is none."""
        queued = TrainingRun.objects.filter(state="queued").first()
        return Supervisor(*claim_run(queued.pk)) if queued else None

    def train(self):
        """Process the inbox, and execute the run that it opened."""
        self.process_inbox()
        supervisor = self.begin()
        supervisor.carry()
        return TrainingRun.objects.select_related("version").get(pk=supervisor.run.pk)


@pytest.fixture
def worker(transactional_db, monkeypatch, settings, tmp_path):
    settings.TRAINING_SPARE = False
    settings.DATA_DIR = tmp_path
    settings.ARTIFACT_CACHE_DIR = tmp_path / "cache"
    kept = (tmp_path / "kept").as_uri()
    settings.STORAGES = settings.STORAGES | {"artifacts": storage_from_url(kept)}
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings")
    monkeypatch.setenv("ARTIFACT_STORAGE", kept)
    monkeypatch.setenv("LSML_DATA_DIR", str(tmp_path))
    stopping.clear()
    yield Worker(monkeypatch)
    warm_process.dismiss()
    stopping.clear()
    assert not list(tmp_path.glob("runs/*"))


@pytest.fixture
def forked_trainings(monkeypatch):
    """Fork the training processes, where a test is not about the process itself."""
    monkeypatch.setattr(training_process, "_started", forked)


@pytest.fixture
def training(worker, studio):
    """Start training with a model; return the supervised run, now in training code."""
    begun = []

    def begin(model, **environment):
        worker.serve(model, **environment)
        studio.annotate(1)
        worker.process_inbox()
        begun.append(InBackground(worker.begin()))
        begun[-1].until(lambda run: run.message != "starting" or run.state != "running")
        return begun[-1]

    yield begin
    stopping.set()
    for each in begun:
        each.thread.join(40)
