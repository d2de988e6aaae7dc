"""The arguments of train(dataset, run), created by hand as in a notebook."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.training import (
    AnnotatedTask,
    Dataset,
    Progress,
    Run,
    RunCancelled,
    numbers,
)


def annotation(*choices, name="sentiment", **more):
    result = [{"from_name": name, "type": "choices", "value": {"choices": [*choices]}}]
    return {"result": result, **more}


def task(*annotations, task_id=1, **data):
    data = {"text": "fine"} | data
    return {"id": task_id, "data": data, "annotations": [*annotations]}


def test_held_out_tasks_are_offered_but_not_trained_on():
    trained, held_out = task(annotation("Good"), task_id=1), task(annotation("Bad"))
    unlabelled = task(task_id=3)
    dataset = Dataset([trained], held_out=[held_out | {"id": 2}, unlabelled])
    assert ([each.id for each in dataset], len(dataset)) == ([1], 1)
    assert dataset.chosen("text") == (["fine"], ["Good"])
    [measured] = dataset.held_out
    assert (measured.id, measured.choice()) == (2, "Bad")


def test_a_dataset_made_by_hand_holds_nothing_out():
    assert list(Dataset([task(annotation("Good"))]).held_out) == []


def test_a_run_without_a_folder_gets_an_empty_one():
    run = Run()
    assert list(run.artifacts.iterdir()) == []


def test_the_folder_of_a_run_is_created(tmp_path):
    assert Run(artifacts=tmp_path / "a" / "b").artifacts.is_dir()


def test_progress_is_reported_with_the_metrics_of_the_step(tmp_path):
    reports = []
    run = Run(artifacts=tmp_path, on_progress=reports.append)
    run.progress(0.5, "fitting", loss=np.float32(0.25))
    assert reports == [Progress(0.5, "fitting", {"loss": 0.25})]


def test_the_last_value_of_a_metric_wins(tmp_path):
    run = Run(artifacts=tmp_path)
    run.progress(0.1, loss=3)
    run.progress(0.2, loss=2)
    assert run.metrics == {"loss": 2.0}


@pytest.mark.parametrize("fraction", [-0.1, 1.01, math.nan, math.inf])
def test_a_fraction_outside_0_to_1_is_refused(tmp_path, fraction):
    with pytest.raises(ValueError, match="from 0 to 1"):
        Run(artifacts=tmp_path).progress(fraction)


@given(st.floats(0, 1))
def test_every_fraction_from_0_to_1_is_accepted(fraction):
    reports = []
    Run(artifacts="/tmp", on_progress=reports.append).progress(fraction)
    assert reports[0].fraction == fraction


def test_a_cancelled_run_makes_one_more_report_and_stops(tmp_path):
    reports = []
    cancelled = iter([False, True])
    run = Run(
        artifacts=tmp_path,
        on_progress=reports.append,
        is_cancelled=lambda: next(cancelled),
    )
    run.progress(0.1)
    with pytest.raises(RunCancelled):
        run.progress(0.2)
    assert [report.fraction for report in reports] == [0.1, 0.2]


def test_a_loop_can_check_whether_the_run_is_cancelled(tmp_path):
    assert Run(artifacts=tmp_path, is_cancelled=lambda: True).cancelled
    assert not Run(artifacts=tmp_path).cancelled


def test_progress_is_logged_by_default(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    Run(artifacts=tmp_path).progress(0.5, "half way")
    assert "50% half way" in caplog.text


@pytest.mark.parametrize("word", ["was_cancelled", "skipped"])
def test_cancelled_annotations_are_left_out(word):
    found = Dataset([task(annotation("A"), annotation("B", **{word: True}))])
    assert [each.choices() for each in found] == [["A"]]


def test_a_task_with_only_cancelled_annotations_is_left_out():
    found = Dataset([task(annotation("A", was_cancelled=True)), task(task_id=2)])
    assert len(found) == 0


def test_a_dataset_can_be_iterated_twice_and_has_its_label_config():
    found = Dataset(
        (task(annotation("A"), task_id=n) for n in range(3)), label_config="<View/>"
    )
    assert [each.id for each in found] == [each.id for each in found] == [0, 1, 2]
    assert (len(found), found.label_config) == (3, "<View/>")


def test_a_task_has_label_studios_values_and_the_oldest_annotation_first():
    old, new = (annotation(c, updated_at=c) for c in "12")
    made = AnnotatedTask.from_label_studio(task(new, old) | {"meta": {"a": 1}})
    assert made == AnnotatedTask(1, {"text": "fine"}, [old, new], {"a": 1})


def test_regions_can_be_limited_to_one_tag():
    made = AnnotatedTask(1, {}, [annotation("A"), annotation("B", name="topic")])
    assert [each["value"]["choices"] for each in made.regions("topic")] == [["B"]]
    assert len(made.regions()) == 2


@pytest.mark.parametrize(
    ("annotations", "choice"),
    [
        ([annotation("A"), annotation("B"), annotation("A")], "A"),
        ([annotation("A"), annotation("B")], "B"),
        ([annotation("A", ground_truth=True), annotation("B"), annotation("B")], "A"),
        ([annotation("A", name="topic")], None),
        ([{"result": None}], None),
    ],
    ids=["majority", "newest of equals", "ground truth", "another tag", "empty"],
)
def test_ground_truth_then_majority_decide_the_choice(annotations, choice):
    assert AnnotatedTask(1, {}, annotations).choice("sentiment") == choice


def test_chosen_returns_inputs_and_choices_for_a_classifier():
    found = Dataset(
        [
            task(annotation("A"), text="one"),
            task(annotation("B", name="topic"), text="two"),
            {"id": 3, "data": {"image": "x"}, "annotations": [annotation("A")]},
        ]
    )
    assert found.chosen("text", "sentiment") == (["one"], ["A"])
    assert found.chosen("text") == (["one", "two"], ["A", "B"])


def test_only_finite_numbers_are_metrics():
    returned = {
        "f1": 0.5,
        "n": 3,
        "np": np.float64(1),
        "tensor": np.array([2]),
        "many": np.array([1, 2]),
        "nan": math.nan,
        "path": "x",
    }
    assert numbers(returned) == {"f1": 0.5, "n": 3.0, "np": 1.0, "tensor": 2.0}


@pytest.mark.parametrize("returned", [None, "ok", [1], 3], ids=repr)
def test_other_return_values_give_no_metrics(returned):
    assert numbers(returned) == {}


def test_ids_of_chosen_tasks_have_the_same_order():
    found = Dataset(
        [
            task(annotation("A"), task_id=5),
            task(annotation("B", name="other"), task_id=6),
            {"id": 7, "data": {}, "annotations": [annotation("A")]},
            task(annotation("C"), task_id=3),
        ]
    )
    assert found.chosen("text", "sentiment") == (["fine", "fine"], ["A", "C"])
    assert found.chosen_ids("text", "sentiment") == [5, 3]


def test_out_of_sample_probabilities_are_collected_fold_by_fold():
    run = Run()
    run.out_of_sample("topic", {1: {"A": 1, "B": 0}})
    run.out_of_sample("topic", {np.int64(2): {np.str_("A"): np.float32(0.5)}})
    assert run.probabilities == {"topic": {1: {"A": 1.0, "B": 0.0}, 2: {"A": 0.5}}}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            {2: {"A": math.nan}},
            "task 2: the probability of 'A' is nan, not",
        ),
        ({2: {"A": -0.1}}, "-0.1, not from 0 to 1"),
        ({2: {"A": 1.1}}, "1.1, not from 0 to 1"),
        ({2: {"A": "x"}}, "'x', not from 0 to 1"),
        ({2: {"A": 0.8, "B": 0.4}}, "task 2: the probabilities add up to more than 1"),
        ({2: {3: 0.4}}, "task 2: the label 3 is not a string"),
        ({2: {}}, "task 2: expected a dict of label to probability"),
        ({2: [0.5, 0.5]}, "task 2: expected a dict of label to probability"),
        ({2: {"A": 10**5000}}, "task 2: the probability of 'A' is a int, not"),
        ({10**5000: {"A": 1}}, "task a int: this is not the ID of a task"),
        ({"x": {"A": 1}}, "task 'x': this is not the ID of a task"),
        ({2**63: {"A": 1}}, "this is not the ID of a task"),
    ],
)
def test_invalid_probabilities_are_left_out_with_a_warning(rows, words, caplog):
    run = Run()
    run.out_of_sample("topic", {1: {"A": 1}} | rows)
    assert run.probabilities == {"topic": {1: {"A": 1.0}}}
    assert "took 1 tasks and left out 1" in caplog.text
    assert words in caplog.text


def test_something_else_than_probabilities_does_not_fail_a_training(caplog):
    Run().out_of_sample("topic", [0.5])
    assert "expected a dict by task ID, not [0.5]" in caplog.text
