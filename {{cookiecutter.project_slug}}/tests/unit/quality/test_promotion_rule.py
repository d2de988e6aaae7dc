"""The rule that decides whether a version may replace the served one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality.promotions import Training, held_back, promoted, scored
from lsml.dataset.measures import Counts
from lsml.quality.gates.rules import Gate, Scored, judge

NOT_WORSE = Gate(rule="not_worse", margin=0.05, min_tasks=20)
BETTER = replace(NOT_WORSE, rule="better")


def version(name, *scores, seconds=0.01):
    durations = dict.fromkeys(range(len(scores)), seconds)
    return Scored(name, dict(enumerate(scores)), {}, durations)


def right(count, of, **options):
    return version("v", *[1.0] * count, *[0.0] * (of - count), **options)


# --- Scores ---


def test_too_few_tasks_are_not_judged():
    verdict = judge(NOT_WORSE, right(9, 9), right(0, 9))

    assert (verdict.passes, verdict.judged) == (False, False)
    assert verdict.reason == "9 held-out tasks are too few to tell (20 needed)"


def test_no_tasks_are_too_few_whatever_the_gate():
    verdict = judge(replace(NOT_WORSE, min_tasks=0), right(0, 0), right(0, 0))

    assert not verdict.judged


def test_a_better_version_passes_and_the_reason_has_the_figures():
    verdict = judge(NOT_WORSE, right(30, 31), right(29, 31))

    assert verdict.passes
    assert verdict.reason == "94 % → 97 % on 31 held-out tasks"


def test_a_worse_version_does_not_pass():
    verdict = judge(NOT_WORSE, right(80, 100), right(90, 100))

    assert (verdict.passes, verdict.judged) == (False, True)
    assert verdict.reason == (
        "90.0 % → 80.0 % on 100 held-out tasks: with 80 % certainty at most 12.6 points"
        " worse, where the policy allows 5 points"
    )


def test_a_version_that_did_worse_on_no_task_is_not_worse():
    gate = replace(NOT_WORSE, margin=0)

    same = judge(gate, right(18, 20), right(18, 20))
    assert same.passes
    assert same.reason == "90 % → 90 % on 20 held-out tasks, worse on none of them"
    assert judge(gate, right(19, 20), right(18, 20)).passes
    assert not judge(gate, right(17, 20), right(18, 20)).passes


def test_an_equal_version_is_not_better():
    verdict = judge(BETTER, right(900, 1000), right(900, 1000))

    assert not verdict.passes
    assert verdict.reason == (
        "90.0 % → 90.0 % on 1000 held-out tasks: not better with 95 % certainty"
    )


def test_a_certainly_better_version_is_better():
    assert judge(BETTER, right(95, 100), right(85, 100)).passes


def test_a_task_that_only_the_candidate_failed_on_counts_as_0():
    served = right(100, 100)
    candidate = Scored("v2", dict.fromkeys(range(80), 1.0), {}, {})

    verdict = judge(NOT_WORSE, candidate, served)

    assert verdict.reason.startswith(
        "100.0 % → 80.0 % on 100 held-out tasks (20 not answered)"
    )


def test_a_task_that_the_served_version_failed_on_does_not_count():
    verdict = judge(NOT_WORSE, right(50, 100), right(25, 25))

    assert verdict.passes
    assert verdict.numbers["tasks"] == 25


# --- Labels ---


def intents(*groups):
    """Truth and both versions' answers: (tasks, truth, served, candidate) each."""
    rows = [group[1:] for group in groups for _ in range(group[0])]
    truth, served, candidate = zip(*rows, strict=True)
    return scored("v2", truth, candidate), scored("v1", truth, served)


def test_a_fallen_label_holds_back_a_version_that_is_better_elsewhere():
    candidate, served = intents(
        (33, "Refund", "Refund", "Refund"),
        (10, "Refund", "Refund", "Other"),
        (20, "Billing", "Other", "Billing"),
        (100, "Billing", "Billing", "Billing"),
    )

    verdict = judge(NOT_WORSE, candidate, served)

    assert not verdict.passes
    assert verdict.reason == "recall of Refund fell from 100 % to 77 % on 43 tasks"


def test_the_reason_names_the_largest_falls_only():
    names = "ABCDE"
    candidate, served = intents(
        *((40 - n, name, name, name) for n, name in enumerate(names)),
        *((10 + n, name, name, "Other") for n, name in enumerate(names)),
    )

    _scores, *falls = judge(NOT_WORSE, candidate, served).reason.split("; ")

    assert falls[0] == "recall of E fell from 100 % to 72 % on 50 tasks"
    assert falls[2].startswith("recall of C")
    assert falls[3:] == ["and 2 more"]


def test_a_label_on_few_tasks_holds_nothing_back():
    candidate, served = intents(
        (9, "Refund", "Refund", "Billing"), (500, "Billing", "Billing", "Billing")
    )

    assert judge(NOT_WORSE, candidate, served).passes


def test_a_fall_within_the_label_margin_holds_nothing_back():
    candidate, served = intents(
        (390, "Refund", "Refund", "Refund"),
        (15, "Refund", "Refund", "Billing"),
        (400, "Billing", "Billing", "Billing"),
    )

    assert judge(NOT_WORSE, candidate, served).passes
    assert not judge(replace(NOT_WORSE, label_margin=0.01), candidate, served).passes


def test_a_fall_that_chance_explains_holds_nothing_back():
    candidate, served = intents(
        (10, "Refund", "Refund", "Refund"),
        (2, "Refund", "Refund", "Billing"),
        (100, "Billing", "Billing", "Billing"),
    )

    assert judge(NOT_WORSE, candidate, served).passes


def test_a_label_that_is_predicted_too_often_holds_back():
    candidate, served = intents(
        (40, "Refund", "Refund", "Refund"),
        (20, "Billing", "Other", "Refund"),
        (100, "Billing", "Billing", "Billing"),
    )

    reason = judge(NOT_WORSE, candidate, served).reason

    assert reason == "precision of Refund fell from 100 % to 67 % on 60 tasks"


def test_a_task_without_an_answer_lacks_all_its_labels():
    candidate, served = intents((100, "Refund", "Refund", "Refund"))
    failed = replace(
        candidate,
        scores=dict.fromkeys(range(70), 1.0),
        labels={task: {"intent: Refund": Counts(1, 0, 0)} for task in range(70)},
    )

    reason = judge(NOT_WORSE, failed, served).reason

    assert reason.endswith(
        "; recall of Refund fell from 100.0 % to 70.0 % on 100 tasks"
    )


# --- Latency ---


def test_a_much_slower_version_does_not_pass():
    slow = right(90, 100, seconds=0.31)

    verdict = judge(NOT_WORSE, slow, right(90, 100, seconds=0.12))

    assert not verdict.passes
    assert verdict.reason == (
        "0.31 s per task instead of 0.12 s: at least 2.6 times as long, 2 times allowed"
    )


def busy(times, random, tasks=20):
    """Return how long tasks took on a machine that is busy with something else."""
    noise = random.lognormal(0, 1.5, tasks)
    return dict(enumerate((0.2 * times * noise).tolist()))


@pytest.mark.parametrize(("times", "least", "most"), [(1, 0, 0.05), (20, 0.9, 1)])
def test_on_a_busy_machine_equal_versions_are_rarely_too_slow(times, least, most):
    random = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        served = replace(right(20, 20), seconds=busy(1, random))
        candidate = replace(right(20, 20), seconds=busy(times, random))
        held += not judge(NOT_WORSE, candidate, served).passes
    assert least <= held / 200 <= most


def test_what_slows_both_versions_on_the_same_tasks_is_no_difference():
    slow = dict.fromkeys(range(20), 0.1) | dict.fromkeys(range(8, 20), 3.0)
    served = replace(right(20, 20), seconds=slow)
    candidate = replace(
        right(20, 20), seconds={task: 1.9 * each for task, each in slow.items()}
    )
    assert judge(NOT_WORSE, candidate, served).passes


def test_only_tasks_that_both_versions_predicted_tell_which_is_slower():
    """It fails on the long texts, and so has the durations of short ones only."""
    served = {task: 0.1 if task < 10 else 5.0 for task in range(40)}
    candidate = replace(
        right(40, 40), seconds={task: 3 * served[task] for task in range(10)}
    )
    verdict = judge(NOT_WORSE, candidate, replace(right(40, 40), seconds=served))
    assert verdict.reason == (
        "0.3 s per task instead of 0.1 s: at least 3 times as long, 2 times allowed"
    )


def test_nobody_notices_a_slower_version_that_is_still_fast():
    slow = right(90, 100, seconds=0.04)

    assert judge(NOT_WORSE, slow, right(90, 100, seconds=0.001)).passes


# --- Numbers ---


def test_the_numbers_are_json_and_have_intervals():
    candidate, served = intents((60, "A", "A", "A"), (40, "B", "A", "B"))

    numbers = json.loads(json.dumps(judge(NOT_WORSE, candidate, served).numbers))

    assert numbers["tasks"] == 100
    assert numbers["served"]["value"] == pytest.approx(0.6)
    assert numbers["difference"]["low"] < 0.4 < numbers["difference"]["high"]
    assert numbers["bound"] > numbers["difference"]["low"]
    assert {(each["label"], each["measure"]) for each in numbers["labels"]} >= {
        ("intent: A", "recall"), ("intent: A", "precision"), ("intent: B", "recall")
    }  # fmt: skip


# --- Operating characteristics; benchmarks/quality/ measures more of them ---


def test_of_200_trainings_the_bad_are_held_back_and_the_good_promoted():
    assert promoted(Training(-0.03), trainings=100) <= 0.05
    assert promoted(Training(+0.03), trainings=100) >= 0.90


def test_a_lost_label_is_noticed_and_chance_is_not():
    assert held_back(8, 40, 0.4, trainings=30) >= 0.9
    assert held_back(8, 40, 0, trainings=30) <= 0.1
