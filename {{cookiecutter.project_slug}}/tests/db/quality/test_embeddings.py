"""The most diverse tasks by the model's `embed()`, and what happens if it fails."""

import json
import threading
import time
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone
from structlog.testing import capture_logs

from lsml.dataset.models import Annotation, Task
from lsml.inference.bulk.work import next_step
from lsml.inference.errors import ModelBusy
from lsml.inference.hosting import watch
from lsml.inference.placement import models
from lsml.observability.origin import Origin
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.next import vectors
from lsml.quality.next.services import Strategy, next_tasks
from lsml.registry.models import ModelVersion, Project
from lsml.registry.served import Served
from tests.db.conftest import CONFIG
from tests.models.scripted import EmbeddingModel

pytestmark = pytest.mark.django_db
either_placement = pytest.mark.usefixtures("placement")
ORIGIN = Origin("test-request", "test")
# Tasks 1 and 2 say the same in other words, as do 3 and 4.
TEXTS = ["refund", "give me my money back", "refund app crashes", "it does not start"]
MEANINGS = {1: [1, 0], 2: [1, 0.1], 3: [0, 1], 4: [0.2, 1]}


@pytest.fixture
def embedding(serve):
    """Serve a model that embeds these tasks."""
    serve("tests.models.scripted.EmbeddingModel")
    EmbeddingModel.calls, EmbeddingModel.answer = [], [{"result": []}]
    EmbeddingModel.vectors = by_meaning
    return EmbeddingModel


def by_meaning(tasks):
    return [MEANINGS.get(task["id"], [1, 1]) for task in tasks]


@pytest.fixture(autouse=True)
def _fast_model(monkeypatch):
    """Let every step count as a fast one, however busy this machine is."""
    monkeypatch.setattr(
        vectors,
        "next_step",
        lambda step, took_s, most: next_step(step, took_s=0, most=most),
    )


@pytest.fixture
def project(db):
    """Four texts; the first is labelled. It serves v1, which was not trained."""
    made = Project.objects.create(labelstudio_id=7, label_config=CONFIG)
    known(made, *TEXTS)
    label(made, 1)
    made.active_version = ModelVersion.objects.create(
        project=made, number=1, version="v1", created_at=timezone.now()
    )
    made.save()
    return made


def known(project, *texts, first=1):
    Task.objects.bulk_create(
        Task(
            project=project,
            task_id=number,
            data={"text": text},
            updated_at=timezone.now(),
        )
        for number, text in enumerate(texts, start=first)
    )


def label(project, task_id):
    Annotation.objects.create(
        project=project, annotation_id=1, task_id=task_id, updated_at=timezone.now()
    )


def diverse(project, limit=10, budget=UNLIMITED):
    return next_tasks(
        project=project,
        limit=limit,
        origin=ORIGIN,
        strategy=Strategy.DIVERSE,
        budget=budget,
    )


def ids(found):
    return [task.task_id for task in found.results]


def by_wording(found):
    """Whether all tasks are listed, compared by their wording."""
    assert "resembles more, by wording, than" in found.notes[-1]
    return sorted(ids(found)) == [2, 3, 4]


@either_placement
def test_tasks_are_compared_by_what_embed_of_the_served_version_returns(
    project, embedding
):
    found = diverse(project)
    assert ids(found) == [4, 3, 2]
    assert found.results[0].reason == "represents 67 % of the unlabelled tasks"
    assert found.notes == [
        "Tasks are compared by embed() of v1.",
        "A task represents those unlabelled tasks that it resembles more, by embed() of"
        " v1, than anything labelled or listed above it does.",
    ]


def test_embed_gets_unlabelled_and_labelled_tasks_as_label_studio_sends_them(
    project, embedding
):
    sent = []
    embedding.vectors = lambda tasks: sent.extend(tasks) or by_meaning(tasks)
    diverse(project)
    assert sorted(sent, key=lambda task: task["id"]) == [
        {"id": number, "data": {"text": text}}
        for number, text in enumerate(TEXTS, start=1)
    ]


def test_tasks_without_text_are_compared_too(project, embedding):
    project.label_config = CONFIG.replace("<Text", "<Image")
    project.save()
    assert sorted(ids(diverse(project))) == [2, 3, 4]


def test_a_task_with_a_vector_of_zeros_is_listed_last(project, embedding):
    embedding.vectors = lambda tasks: [
        [0, 0] if task["id"] == 3 else MEANINGS[task["id"]] for task in tasks
    ]
    assert ids(diverse(project))[-1] == 3


def test_many_tasks_are_embedded_in_growing_steps(project, embedding):
    known(project, *["more"] * 40, first=101)
    diverse(project)
    sizes = [len(call["embed"]) for call in embedding.calls]
    assert sum(sizes) == 44
    assert sizes[:4] == [1, 2, 4, 8]


# --- Without embed() ---


def test_a_model_without_embed_is_named_as_the_reason_to_compare_wording(
    project, scripted
):
    found = diverse(project)
    assert by_wording(found)
    assert found.notes[0] == (
        "Texts are compared by their wording: the model has no embed(), see"
        " docs/sdk.md."
    )


def refused(number):
    """Vectors of which those of one task are not usable."""
    return lambda tasks: [
        [float("nan"), 0] if task["id"] == number else MEANINGS[task["id"]]
        for task in tasks
    ]


@either_placement
@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        (ValueError("no GPU"), "embed() raised ValueError: no GPU"),
        (SystemExit(3), "embed() raised SystemExit: 3"),
        (lambda tasks: None, "embed() returned an object of type NoneType"),
        (lambda tasks: [[1, 2]] * (len(tasks) + 1), "vectors for 1 tasks"),
        (refused(3), "embed() returned NaN, infinity or a number beyond"),
        (
            lambda tasks: [[1] * tasks[0]["id"]] * len(tasks),
            "embed() returned vectors of different lengths, ",
        ),
    ],
    ids=["raises", "exits", "nothing", "too many", "not finite", "lengths"],
)
def test_an_embed_that_fails_is_named_and_logged_and_wording_is_compared(
    project, embedding, vectors, sentence
):
    embedding.vectors = vectors
    with capture_logs() as logs:
        found = diverse(project)
    assert by_wording(found)
    note = found.notes[0]
    assert note.startswith(
        "Texts are compared by their wording: embed() of v1 cannot be used. "
    )
    assert sentence in note
    [logged] = [entry for entry in logs if entry["event"] == "tasks cannot be embedded"]
    assert sentence in logged["error"]
    assert logged["version"] == "v1"


@either_placement
def test_a_version_that_cannot_be_loaded_is_named(project, embedding, monkeypatch):
    monkeypatch.setattr(embedding, "setup", lambda model: 1 / 0)
    found = diverse(project)
    assert by_wording(found)
    assert "The model of version v1 cannot be loaded: ZeroDivision" in found.notes[0]


@either_placement
def test_a_model_that_cannot_be_imported_is_named(project, serve):
    serve("tests.models.nothing_here.Model")
    found = diverse(project)
    assert by_wording(found)
    assert "the model cannot be used. " in found.notes[0]
    assert "MODEL_CLASS=tests.models.nothing_here.Model cannot" in found.notes[0]


def test_a_model_process_that_is_down_is_named(project, settings, embedding):
    settings.MODEL_PLACEMENT = "process"
    settings.MODEL_URL = "http://127.0.0.1:9"
    found = diverse(project)
    assert by_wording(found)
    assert "The model process does not answer." in found.notes[0]


# --- Time ---


def test_with_the_time_used_up_what_is_embedded_is_compared_if_it_is_enough(
    project, embedding
):
    known(project, *["more"] * 40, first=101)
    budget = Budget(60)

    def slow(tasks):
        if len(embedding.calls) == 3:  # of 1, 2 and 4 tasks
            budget._until = 0
        return by_meaning(tasks)

    embedding.vectors = slow
    found = diverse(project, limit=5, budget=budget)
    assert len(found.results) == 5
    assert set(ids(found)) <= set(range(135, 141))  # the newest
    assert found.notes[:-1] == [
        "Tasks are compared by embed() of v1. But embed() of v1 came to 6 of 43"
        " unlabelled and 1 of 1 labelled tasks in time. manage.py next --project 7"
        " --strategy diverse waits for all."
    ]


def test_with_too_few_embedded_in_time_wording_is_compared(project, embedding):
    found = diverse(project, budget=Budget(0))
    assert by_wording(found)
    assert "embed() of v1 came to 0 of 3 unlabelled and 0 of 1" in found.notes[0]


def embed_one(project):
    serving = Served(project.pk, "v1", project.label_config)
    models().embed(serving, [{"id": 1, "data": {}}], ORIGIN, wait_s=5)


@contextmanager
def occupied(project, embedding):
    """Have the model busy with a call until the block ends or `end()` is called."""
    inside, go_on = threading.Event(), threading.Event()

    def block(tasks):
        inside.set()
        go_on.wait(20)
        return by_meaning(tasks)

    embed_one(project)  # loads the model
    embedding.vectors = block
    call = threading.Thread(target=embed_one, args=[project])
    call.start()

    def end():
        go_on.set()
        call.join()

    try:
        assert inside.wait(20)
        yield end
    finally:
        end()


@either_placement
def test_embedding_waits_among_bulk_predictions(project, embedding, settings):
    settings.PREDICT_QUEUE_MAX = 0
    with (
        occupied(project, embedding),
        pytest.raises(ModelBusy, match="0 bulk predictions wait already"),
    ):
        embed_one(project)


@either_placement
def test_a_busy_model_is_waited_for(project, embedding, settings, monkeypatch):
    settings.PREDICT_QUEUE_MAX = 0
    rests = []
    with occupied(project, embedding) as end:

        def rest(seconds):
            rests.append(seconds)
            end()

        monkeypatch.setattr(
            vectors, "time", SimpleNamespace(monotonic=time.monotonic, sleep=rest)
        )
        found = diverse(project)
    assert rests
    assert found.notes[0] == "Tasks are compared by embed() of v1."


@pytest.mark.parametrize("placement", ["process"], indirect=True)
@pytest.mark.usefixtures("placement")
def test_an_embed_that_hangs_is_given_up_and_its_process_restarts(
    project, embedding, settings, monkeypatch
):
    embed_one(project)  # loads the model
    restarts = threading.Event()
    monkeypatch.setattr(watch.watch, "_restart", None)
    monkeypatch.setattr(watch, "stop_accepting", lambda: None)
    monkeypatch.setattr(watch, "exit_now", restarts.set)
    monkeypatch.setattr(watch, "GRACE_S", {settings.PROCESS: 0.1})
    settings.PREDICT_TIMEOUT_S = 0.3
    embedding.vectors = lambda tasks: restarts.wait(20)
    found = diverse(project)
    assert by_wording(found)
    assert "did not answer within 0.3 s" in found.notes[0]
    assert "embed() hangs" in found.notes[0]
    assert restarts.wait(20)


# --- The command ---


def test_the_command_says_what_was_compared(project, embedding):
    output, errors = StringIO(), StringIO()
    call_command(
        "next",
        project=7,
        strategy="diverse",
        json=True,
        stdout=output,
        stderr=errors,
    )
    notes = json.loads(output.getvalue())["notes"]
    assert notes[0] == "Tasks are compared by embed() of v1."
