"""The dashboard's counts: each sealed row once, by the hour."""

from datetime import UTC, datetime, timedelta

import pytest

from lsml.audit import rollups, sealing
from tests.db.audit.rows import hear, predict

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = {"since": NOON - timedelta(hours=12), "until": NOON + timedelta(hours=12)}


def test_predictions_are_counted_once_by_hour_and_outcome():
    predict(2, created_at=NOON + timedelta(minutes=59))
    predict(1, created_at=NOON + timedelta(minutes=59), outcome="error")
    sealing.seal()
    predict(3, created_at=NOON + timedelta(minutes=1))
    predict(1, created_at=NOON + timedelta(minutes=60), outcome="empty")
    sealing.seal()
    sealing.seal()
    hours = rollups.predictions_by_hour(**DAY)
    assert {
        hour: (counts.ok, counts.error, counts.empty) for hour, counts in hours.items()
    } == {NOON: (5, 1, 0), NOON + timedelta(hours=1): (0, 0, 1)}


def test_shadow_predictions_are_left_out():
    predict(1, created_at=NOON, kind="shadow")
    sealing.seal()
    assert rollups.predictions_by_hour(**DAY) == {}


def test_one_project_can_be_asked_for():
    predict(1, created_at=NOON, project_id=1)
    predict(2, created_at=NOON, project_id=2)
    predict(4, created_at=NOON, project_id=None)
    sealing.seal()
    assert rollups.predictions_by_hour(**DAY)[NOON].total == 7
    assert rollups.predictions_by_hour(**DAY, project_id=2)[NOON].total == 2


def test_percentiles_come_near_the_true_ones():
    for latency_ms in range(1, 101):
        predict(1, created_at=NOON, latency_ms=latency_ms)
    sealing.seal()
    counts = rollups.predictions_by_hour(**DAY)[NOON]
    assert counts.percentile_ms(0.5) == pytest.approx(50, rel=0.1)
    assert counts.percentile_ms(0.95) == pytest.approx(95, rel=0.1)


def test_versions_are_told_apart():
    predict(2, created_at=NOON, model_version="v1")
    predict(1, created_at=NOON, model_version="v2")
    sealing.seal()
    versions = rollups.predictions_by_version(**DAY)
    assert {key: counts.total for key, counts in versions.items()} == {
        (1, "v1"): 2,
        (1, "v2"): 1,
    }


def test_events_are_counted_by_action():
    hear("ANNOTATION_CREATED", received_at=NOON)
    hear("ANNOTATION_CREATED", received_at=NOON)
    hear("START_TRAINING", received_at=NOON)
    sealing.seal()
    assert rollups.events_by_hour(**DAY) == {
        NOON: {"ANNOTATION_CREATED": 2, "START_TRAINING": 1}
    }
