"""The rule that holds tasks out: by project, task and percentage alone."""

import pytest

from lsml.dataset.holdout import is_held_out


def held_out(percent, project_pk=1, tasks=10_000):
    return {
        task for task in range(1, tasks + 1) if is_held_out(project_pk, task, percent)
    }


def test_the_rule_never_changes():
    """With another rule, tasks that versions were trained on would measure them."""
    assert sorted(held_out(15, tasks=60)) == [27, 29, 30, 35, 38, 39, 42, 49, 50, 56]


@pytest.mark.parametrize("percent", [0, 1, 15, 50, 100])
def test_about_the_given_percentage_is_held_out(percent):
    share = 100 * len(held_out(percent)) / 10_000
    assert share == pytest.approx(percent, abs=1.5)
    assert (share == percent) or percent not in (0, 100)


def test_a_larger_percentage_holds_out_the_same_tasks_and_more():
    assert held_out(10) < held_out(15) < held_out(50)


def test_projects_hold_out_different_tasks():
    assert held_out(15, project_pk=1) != held_out(15, project_pk=2)
