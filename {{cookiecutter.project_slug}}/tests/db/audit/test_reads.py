"""Searches use the indexes and find the right rows."""

import math
from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit import counting, partitions, sealing
from lsml.audit.models import Prediction
from tests.db.audit.rows import as_superuser, generate, predict

DAY_MS = 24 * 3_600_000
pytestmark = pytest.mark.django_db(transaction=True)


def versions(rows):
    return [row.model_version for row in rows]


def test_facts_are_combined():
    predict(model_version="v1", project_pk=1, outcome="error")
    predict(model_version="v1", project_pk=2)
    predict(model_version="v2", project_pk=1)
    rows = Prediction.objects
    assert versions(rows.with_facts(project_pk=1).order_by("-pk")) == ["v2", "v1"]
    assert rows.with_facts(model_version="v1", outcome="error").count() == 1
    assert rows.with_facts(model_version="v1", project_pk=3).count() == 0


def test_a_version_no_longer_used_is_searched_only_where_it_was_used():
    long_ago = timezone.now() - timedelta(days=1)
    predict(model_version="v0", created_at=long_ago)
    as_superuser(f"UPDATE audit_prediction SET id = id - ({DAY_MS}::bigint << 12)")
    sealing.seal()
    predict(3)
    sealing.seal()
    rows = Prediction.objects.with_facts(model_version="v0")
    assert "<" in str(rows.query)  # bounded by id
    assert versions(rows) == ["v0"]


def test_rows_not_counted_yet_are_found_by_their_facts():
    long_ago = timezone.now() - timedelta(days=1)
    predict(model_version="v0", created_at=long_ago)
    as_superuser(f"UPDATE audit_prediction SET id = id - ({DAY_MS}::bigint << 12)")
    sealing.seal()
    predict(model_version="v0")  # served again, and not counted yet
    assert Prediction.objects.with_facts(model_version="v0").count() == 2


def test_a_kind_that_never_occurred_is_searched_only_among_rows_not_counted_yet(
    django_assert_num_queries,
):
    predict(3)
    sealing.seal()
    predict(2)
    with django_assert_num_queries(3) as queries:
        assert list(Prediction.objects.with_facts(kind="shadow")) == []
    sent = [query["sql"] for query in queries.captured_queries]
    (search,) = [sql for sql in sent if 'FROM "audit_prediction"' in sql]
    assert '"id" >' in search
    predict(1, kind="shadow")
    assert Prediction.objects.with_facts(kind="shadow").count() == 1


def test_few_rows_are_counted_and_many_are_estimated(monkeypatch):
    generate(500)
    partitions.analyze()
    rows = Prediction.objects.all()
    # The planner's cost includes the pages that rows of earlier tests took.
    monkeypatch.setattr(counting, "_CHEAP", math.inf)
    assert counting.count(rows) == counting.Count(500, exact=True)
    monkeypatch.setattr(counting, "_CHEAP", 0)
    estimated = counting.count(rows)
    assert not estimated.exact
    assert estimated.number == pytest.approx(500, rel=0.1)
