"""`manage.py validate-model` says what Label Studio would refuse."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.dataset.models import Task
from tests.db.quality.conftest import CONFIG, WRONG, choice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("placement")]


@pytest.fixture
def known(project):
    Task.objects.bulk_create(
        Task(
            project=project,
            task_id=100 + n,
            data={"text": f"text {n}"},
            updated_at=timezone.now(),
        )
        for n in range(1, 31)
    )
    return project


@pytest.fixture
def files(tmp_path):
    """A label config, and tasks as Label Studio imports them."""
    config, tasks = tmp_path / "config.xml", tmp_path / "tasks.json"
    config.write_text(CONFIG)
    tasks.write_text(json.dumps([{"text": "a"}, {"id": 41, "data": {"text": "b"}}]))
    return {"label_config": config, "tasks": tasks}


def validate(**options):
    """Return what it prints, and the sentence that it ends with; "" = status 0."""
    out, sentence = StringIO(), ""
    try:
        call_command("validate-model", stdout=out, stderr=StringIO(), **options)
    except CommandError as error:
        sentence = str(error)
    return out.getvalue(), sentence


def lines(printed):
    return [" ".join(line.split()) for line in printed.splitlines()]


def test_a_model_whose_answers_fit_passes(known, serve):
    serve("tests.models.constant.ConstantModel")
    printed, sentence = validate(project=1)
    assert sentence == ""
    assert {"30 valid", "0 invalid", "0 failed"} <= {*lines(printed)}


@pytest.mark.parametrize("name", WRONG)
def test_what_label_studio_would_refuse_is_named_with_a_task(known, scripted, name):
    facts, reason = WRONG[name]
    scripted.answer = lambda _, tasks: [
        facts if task["id"] == 117 else {"result": [choice()]} for task in tasks
    ]
    printed, sentence = validate(project=1)
    assert {"29 valid", "1 invalid", "0 failed"} <= {*lines(printed)}
    [row] = [line for line in lines(printed) if line.startswith("1 invalid task 117")]
    assert reason in row
    assert sentence == "1 of 30 tasks are invalid or failed."


def test_equal_reasons_are_one_row_with_the_first_task(known, scripted):
    scripted.answer = lambda _, tasks: [
        {"score": task["id"], "result": [choice()]} for task in tasks
    ]
    printed, _ = validate(project=1)
    rows = [line for line in lines(printed) if "task 1" in line]
    assert len(rows) == 1
    assert rows[0].startswith("30 invalid task 130: Score must be between")


def test_a_task_on_which_the_model_fails_is_named_alone(known, scripted):
    def fail(_, tasks):
        if any(task["id"] == 117 for task in tasks):
            raise ValueError("empty text")
        return [{"result": [choice()]} for _ in tasks]

    scripted.answer = fail
    printed, sentence = validate(project=1)
    assert {"29 valid", "0 invalid", "1 failed"} <= {*lines(printed)}
    assert "task 117: predict() raised ValueError: empty text" in printed
    assert sentence


def test_a_task_without_a_prediction_is_no_mistake(known, scripted):
    scripted.answer = lambda _, tasks: [[] for _ in tasks]
    printed, sentence = validate(project=1)
    assert "30 empty" in lines(printed)
    assert sentence == ""


def test_the_newest_tasks_are_tried_and_nothing_is_recorded(known, scripted):
    scripted.answer = lambda _, tasks: [{"result": [choice()]} for _ in tasks]
    Task.objects.filter(task_id=130).update(deleted_at=timezone.now())
    validate(project=1, limit=3)
    [call] = scripted.calls
    assert [task["id"] for task in call["tasks"]] == [129, 128, 127]
    assert not Prediction.objects.exists()


def test_it_works_before_a_project_is_connected(files, db, scripted):
    scripted.answer = lambda _, tasks: [{"result": [choice("Great")]} for _ in tasks]
    printed, sentence = validate(**files)
    assert [task["data"]["text"] for task in scripted.calls[0]["tasks"]] == ["a", "b"]
    assert "2 invalid" in lines(printed)
    assert sentence.startswith("2 of 2 tasks")


def test_a_number_of_tasks_that_checks_nothing_is_refused(files, db, constant):
    assert "-n takes a number from 1 on." in validate(**files, limit=0)[1]


def test_another_label_config_can_be_tried_for_a_project(known, scripted, tmp_path):
    config = tmp_path / "next.xml"
    config.write_text(CONFIG.replace("Positive", "Great"))
    scripted.answer = lambda model, tasks: [
        {"result": [choice(model.parsed_label_config["sentiment"]["labels"][0])]}
        for _ in tasks
    ]
    printed, sentence = validate(project=1, label_config=config)
    assert "30 valid" in lines(printed)
    assert sentence == ""
    known.refresh_from_db()
    assert known.label_config == CONFIG


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "Name a --project, or both"),
        ({"project": 99}, "Project 99 is not known here"),
        ({"project": 1}, "There are no tasks"),
        ({"project": 1, "limit": 0}, "-n takes a number from 1 on."),
        ({"project": 1, "limit": -5}, "-n takes a number from 1 on."),
    ],
)
def test_what_is_missing_is_said(project, constant, options, sentence):
    assert sentence in validate(**options)[1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "not JSON"),
        ("[1]", "Task 1 is not a JSON object"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(files, db, constant, content, sentence):
    files["tasks"].unlink() if content is None else files["tasks"].write_text(content)
    assert sentence in validate(**files)[1]


def test_a_label_config_that_cannot_be_read_is_refused(files, db, constant):
    files["label_config"].write_text("<View/>")
    assert "no control tag" in validate(**files)[1]


def test_a_model_that_cannot_be_loaded_ends_it_at_once(known, serve):
    serve("tests.models.loading.NeverLoading")
    printed, sentence = validate(project=1)
    assert "cannot be loaded" in sentence
    assert printed == ""
