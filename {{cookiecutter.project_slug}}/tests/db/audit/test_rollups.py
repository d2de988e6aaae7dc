"""Each sealed row is counted once, in its hour."""

from datetime import UTC, datetime, timedelta

import pytest

from lsml.audit import rollups, sealing
from lsml.audit.models import EventHour, PredictionHour
from tests.db.audit.rows import hear, predict

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def counted(model, *facts):
    """Return the counts by these columns, in their order."""
    found = {}
    for *key, count in model.objects.order_by(*facts).values_list(*facts, "count"):
        found[tuple(key)] = found.get(tuple(key), 0) + count
    return found


def test_predictions_are_counted_once_by_hour_and_outcome():
    predict(2, created_at=NOON + timedelta(minutes=59))
    predict(1, created_at=NOON + timedelta(minutes=59), outcome="error")
    sealing.seal()
    predict(3, created_at=NOON + timedelta(minutes=1))
    predict(1, created_at=NOON + timedelta(minutes=60), outcome="empty")
    sealing.seal()
    sealing.seal()
    assert counted(PredictionHour, "hour", "outcome") == {
        (NOON, "ok"): 5,
        (NOON, "error"): 1,
        (NOON + timedelta(hours=1), "empty"): 1,
    }


def test_shadow_predictions_are_counted_apart():
    predict(1, created_at=NOON, kind="shadow")
    predict(2, created_at=NOON)
    sealing.seal()
    assert counted(PredictionHour, "kind") == {("batch",): 2, ("shadow",): 1}


def test_projects_are_counted_apart():
    predict(1, created_at=NOON, project_pk=1)
    predict(2, created_at=NOON, project_pk=2)
    predict(4, created_at=NOON, project_pk=None)
    sealing.seal()
    assert counted(PredictionHour, "project_pk") == {(1,): 1, (2,): 2, (None,): 4}


def test_percentiles_come_near_the_true_ones():
    for latency_ms in range(1, 101):
        predict(1, created_at=NOON, latency_ms=latency_ms)
    sealing.seal()
    counts = rollups.PredictionCounts()
    for row in PredictionHour.objects.all():
        counts.add(row.outcome, row.latency_bucket, row.count)
    assert counts.total == 100
    assert counts.percentile_ms(0.5) == pytest.approx(50, rel=0.1)
    assert counts.percentile_ms(0.95) == pytest.approx(95, rel=0.1)


def test_versions_are_counted_apart():
    predict(2, created_at=NOON, model_version="v1")
    predict(1, created_at=NOON, model_version="v2")
    sealing.seal()
    assert counted(PredictionHour, "project_pk", "model_version") == {
        (1, "v1"): 2,
        (1, "v2"): 1,
    }


def test_events_are_counted_by_action():
    hear("ANNOTATION_CREATED", received_at=NOON)
    hear("ANNOTATION_CREATED", received_at=NOON)
    hear("START_TRAINING", received_at=NOON)
    sealing.seal()
    assert counted(EventHour, "hour", "action") == {
        (NOON, "ANNOTATION_CREATED"): 2,
        (NOON, "START_TRAINING"): 1,
    }
