"""How far sealing lags behind."""

import pytest
from django.db import connection

from lsml.audit import sealing
from lsml.audit.lag import sealing_lag_s, sealing_metrics
from lsml.audit.models import Prediction
from lsml.audit.verify import verify
from tests.db.audit.rows import as_superuser, generate, hear, predict

pytestmark = pytest.mark.django_db(transaction=True)


def make_older(table, seconds, *, above=0):
    """Make the rows of the table with larger ids older."""
    as_superuser(
        f"UPDATE {table} SET id = id - ({seconds * 1000}::bigint << 12)"
        f" WHERE id > {above}"
    )


def test_without_rows_sealing_does_not_lag():
    assert sealing_lag_s() == 0


def test_sealing_lags_by_the_age_of_the_oldest_unsealed_row_of_any_table():
    predict()
    hear()
    make_older("audit_webhookevent", 90)
    assert 90 <= sealing_lag_s() < 150


def test_sealed_rows_do_not_lag():
    predict(3)
    hear()
    make_older("audit_prediction", 90)
    sealing.seal()
    assert sealing_lag_s() == 0


def test_rows_after_the_last_seal_lag():
    predict(3)
    make_older("audit_prediction", 500)
    sealing.seal()
    last = predict()[0].pk
    predict()
    make_older("audit_prediction", 90, above=last - 1)
    assert 90 <= sealing_lag_s() < 150


def test_the_lag_is_found_by_reading_a_few_rows():
    generate(20_000)
    sealing.seal()
    generate(20_000)
    as_superuser("ANALYZE audit_prediction, audit_seal")  # as autovacuum does

    def explained(execute, sql, params, many, context):
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
        execute(explain, params, many, context)
        plans.append(context["cursor"].fetchone()[0])
        return execute(sql, params, many, context)

    def largest(plan):
        inner = [largest(each) for each in plan.get("Plans", [])]
        # An index also has entries of rows that earlier tests deleted.
        bitmap = plan["Node Type"] == "Bitmap Index Scan"
        return max([0 if bitmap else plan["Actual Rows"], *inner])

    plans = []
    with connection.execute_wrapper(explained):
        sealing_lag_s()
    [[plan]] = plans
    assert largest(plan["Plan"]) < 10
    assert Prediction.objects.count() == 40_000


def test_metrics_show_the_lag():
    predict()
    make_older("audit_prediction", 90)
    [lag] = sealing_metrics()
    assert lag.name == "lsml_sealing_lag_seconds"
    assert lag.samples[0].value >= 90


def test_rows_unsealed_for_over_a_minute_are_reported_by_verify():
    predict()
    make_older("audit_prediction", 70)
    [finding] = verify().findings
    assert "older than 60 s" in str(finding)


def test_with_a_longer_period_of_the_sealer_rows_are_overdue_later(settings):
    settings.AUDIT_SEAL_S = 300
    predict()
    make_older("audit_prediction", 400)
    assert verify().findings == []
