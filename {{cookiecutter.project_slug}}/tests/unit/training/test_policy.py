"""When waiting events become a run."""

from datetime import UTC, datetime, time, timedelta

import pytest

from lsml.registry.models import Project
from lsml.training.inbox.policy import DEBOUNCE_TIMES_MAX, Waiting, due

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def waiting(annotations=1, *, requested=False, since_s=60, last_s=0, fresh=1):
    return Waiting(
        fresh=fresh,
        annotations=annotations,
        requested=requested,
        oldest_at=NOON - timedelta(seconds=since_s),
        newest_at=NOON - timedelta(seconds=last_s),
    )


def decided(wait, **policy):
    return due(Project(**policy), wait, now=NOON)


def test_an_annotation_starts_a_run_by_default():
    assert decided(waiting()) == "annotations"


def test_events_without_annotations_wait_for_events_with_some():
    assert decided(waiting(annotations=0)) is None


def test_below_the_minimum_nothing_starts():
    assert decided(waiting(9), min_annotations=10) is None
    assert decided(waiting(10), min_annotations=10) == "annotations"


def test_events_that_a_run_gave_back_start_no_run():
    assert decided(waiting(50, fresh=0)) is None


def test_in_manual_mode_annotations_start_nothing():
    assert decided(waiting(), training_mode="manual") is None


@pytest.mark.parametrize(
    "policy",
    [
        {"min_annotations": 100},
        {"training_mode": "manual"},
        {"debounce_s": 600},
        {"quiet_from": time(8), "quiet_until": time(18)},
    ],
    ids=str,
)
def test_start_training_overrides_the_policy(policy):
    assert decided(waiting(), **policy) is None
    assert decided(waiting(requested=True), **policy) == "start_training"


@pytest.mark.parametrize(
    "policy", [{"training_paused": True}, {"archived_at": NOON}], ids=str
)
def test_a_paused_or_archived_project_trains_nothing(policy):
    assert decided(waiting(requested=True), **policy) is None


def test_debounce_waits_for_a_pause_but_not_forever():
    assert decided(waiting(last_s=29), debounce_s=30) is None
    assert decided(waiting(last_s=30), debounce_s=30) == "annotations"
    long = DEBOUNCE_TIMES_MAX * 30
    assert decided(waiting(last_s=0, since_s=long), debounce_s=30) == "annotations"


@pytest.mark.parametrize(
    ("since", "until", "starts"),
    [
        (time(8), time(18), False),
        (time(18), time(8), True),
        (time(22), time(13), False),  # over midnight
        (time(12), time(12), True),
    ],
)
def test_quiet_hours_delay_runs(since, until, starts):
    found = decided(waiting(), quiet_from=since, quiet_until=until)
    assert (found is not None) == starts
