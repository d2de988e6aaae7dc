"""Out-of-sample probabilities, from the user's `train` to their row."""

import math
import struct
from base64 import b64decode

import pytest

from lsml.training.models import OutOfSample
from lsml.training.process import probabilities

pytestmark = pytest.mark.usefixtures("forked_trainings")


def test_what_the_training_reports_is_stored_with_its_version(worker, studio):
    worker.serve("CrossValidating")
    studio.annotate(1)
    studio.annotate(2)
    run = worker.train()
    assert (run.state, run.error) == ("succeeded", "")
    stored = OutOfSample.objects.get(control="sentiment")
    assert (stored.project, stored.version) == (studio.project, run.version)
    assert stored.labels == ["Negative", "Positive"]
    assert stored.task_ids == [1002, 1001]
    numbers = struct.unpack("<4f", stored.probabilities)
    assert numbers == (0.25, 0.75, 0.25, 0.75)


def test_what_is_invalid_is_left_out_and_the_log_says_so(worker, studio):
    worker.serve("CrossValidating")
    studio.annotate(1)
    run = worker.train()
    assert run.state == "succeeded"
    assert "took 1 tasks and left out 1; task 5000: the probability of" in run.log
    assert "expected a dict by task ID, not None" in run.log
    controls = OutOfSample.objects.values_list("control", flat=True)
    assert sorted(controls) == ["nul\ufffd", "sentiment"]


def test_the_next_version_replaces_them_even_if_it_reports_none(worker, studio):
    worker.serve("CrossValidating")
    studio.annotate(1)
    worker.train()
    studio.annotate(2)
    worker.train()
    assert OutOfSample.objects.get(control="sentiment").task_ids == [1002, 1001]
    worker.serve("Remembering")
    studio.annotate(3)
    worker.train()
    assert not OutOfSample.objects.exists()


def test_a_failed_run_keeps_those_of_the_version_before(worker, studio):
    worker.serve("CrossValidating")
    studio.annotate(1)
    worker.train()
    worker.serve("Raising")
    studio.annotate(2)
    worker.train()
    assert OutOfSample.objects.get(control="sentiment").task_ids == [1001]


def test_only_the_newest_tasks_are_kept_and_that_is_said(monkeypatch, capsys):
    rows = {task: {"A": 0.5, "B": 0.5} for task in range(1, 11)}
    monkeypatch.setattr(probabilities, "TASKS_MAX", 4)
    [kept] = probabilities.packed({"topic": rows})
    assert kept["task_ids"] == [10, 9, 8, 7]
    assert "kept for the newest 4 of 10 tasks" in capsys.readouterr().out


def test_a_label_that_a_fold_did_not_know_has_no_probability():
    rows = {1: {"A": 0.5, "B": 0.5}, 2: {"A": 1.0}}
    [kept] = probabilities.packed({"topic": rows})
    numbers = struct.unpack("<4f", b64decode(kept["probabilities"]))
    assert numbers[0] == 1.0
    assert math.isnan(numbers[1])
    assert numbers[2:] == (0.5, 0.5)


def test_many_labels_and_controls_share_the_space(monkeypatch):
    rows = {task: {"A": 0.5, "B": 0.5} for task in range(1, 11)}
    monkeypatch.setattr(probabilities, "NUMBERS_MAX", 12)
    kept = list(probabilities.packed({"topic": rows, "tone": rows}))
    assert [one["task_ids"] for one in kept] == [[10, 9, 8]] * 2


def test_what_cannot_be_packed_fails_no_training_and_is_said(capsys):
    rows = {1: {"A": 0.5, "B": 0.5}}
    [kept] = probabilities.packed({"tone": None, 7: {1: "B"}, "topic": rows})
    assert kept["control"] == "topic"
    assert "Probabilities of tone are not kept: TypeError" in capsys.readouterr().out
    assert list(probabilities.packed(["topic"])) == []


def test_only_what_is_kept_is_examined(monkeypatch):
    """Cross-validation of 200,000 tasks fills memory once: a copy may not fit."""
    monkeypatch.setattr(probabilities, "TASKS_MAX", 2)
    rows = {task: {"A": 1.0} for task in range(10)}
    examined = []
    monkeypatch.setattr(
        probabilities, "checked", lambda rows: (examined.extend(rows) or rows, [])
    )
    list(probabilities.packed({"topic": rows}))
    assert examined == [9, 8]
