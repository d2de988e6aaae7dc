"""A dump restored into another cluster, and a service whose role owns no table."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit.fields import first_id_at

INSERT = (
    "INSERT INTO audit_prediction (request_id, client, created_at, model_version, kind,"
    " outcome, input_digest, latency_ms, batch_size, error{0})"
    " VALUES ('request-1', 'test', now(), 'v1', 'batch', 'ok', '', 1, 1, ''{1})"
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def restored(start_cluster, tmp_path):
    """A cluster with a restored dump that contained two unsealed rows."""
    first = start_cluster("first")
    assert first.manage(first.owner, "prepare")[0] == 0
    first.execute(first.service, INSERT.format("", ""))
    assert first.manage(first.service, "audit", "seal")[0] == 0
    overdue = first_id_at(timezone.now() - timedelta(seconds=90))
    first.execute(first.owner, INSERT.format(", id", f", {overdue}"))
    first.execute(first.service, INSERT.format("", ""))
    dump = str(tmp_path / "dump")
    first.program("pg_dump", "-Fc", "-f", dump)
    second = start_cluster("second")
    second.program("pg_restore", dump)
    return second


def test_verify_fails_until_the_service_has_sealed_a_restored_dump(restored):
    status, output = restored.manage(restored.service, "audit", "verify")
    assert status == 1, output
    assert "Sealing lags: 1 rows of audit_prediction" in output
    status, output = restored.manage(restored.service, "audit", "seal")
    assert (status, "2 rows sealed" in output) == (0, True), output
    restored.execute(restored.service, INSERT.format("", ""))
    assert restored.manage(restored.service, "audit", "seal")[0] == 0
    status, output = restored.manage(restored.service, "audit", "verify")
    assert (status, "Intact: 4 rows" in output) == (0, True), output
