"""A backup of a busy service, restored into another cluster with another storage."""

import gzip
import json
import os
import time

import pytest

from tests.chaos.load import CONFIG, CREATED_AT, Load
from tests.chaos.playground import Playground
from tests.chaos.servers import ValkeyBroker, free_port
from tests.chaos.storage import S3
from tests.e2e.conftest import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICK = {
    "HTTPS": "false",
    "AUDIT_SEAL_S": "2",
    "TRAINING_LEASE_S": "4",
    "TRAINING_SWEEP_S": "1",
    "MODEL_CLASS": "tests.chaos.model.Remembering",
}
# A cluster that has been used for long.
USE_TRANSACTION_NUMBERS = """
DO $$ BEGIN
  FOR i IN 1..50000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
END $$
"""
ENDED = ("succeeded", "failed", "cancelled")


@pytest.fixture
def backup(start_service, tmp_path):
    """A backup of a service that predicts, takes webhooks, trains and seals."""
    service = start_service(**QUICK, CHAOS_TRAINING_S="10", CHAOS_STEPS="10")
    with service.database_session() as session:
        session.execute(USE_TRANSACTION_NUMBERS)
    load = Load(service.playground.port, projects=2, seed=1, pause_s=0.1)
    load.start()
    try:
        service.until("SELECT 1 FROM registry_modelversion HAVING count(*) >= 2")
        service.until("SELECT 1 FROM training_trainingrun WHERE state = 'running'")
        before = len(load.seen.accepted), len(load.seen.predicted)
        service.playground.run("manage.py", "backup", str(tmp_path / "backup"))
        after = len(load.seen.accepted), len(load.seen.predicted)
    finally:
        load.stop()
        service.playground.stop()
    assert load.seen.statuses <= {200, 503}  # a busy machine refuses predictions
    assert all(more > some for some, more in zip(before, after, strict=True))
    return tmp_path / "backup"


@pytest.fixture
def s3(tmp_path):
    server = S3(tmp_path / "elsewhere", port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_elsewhere(tmp_path):
    """Start the service as the role `service` of a cluster; stop it afterwards."""
    started = []

    def start(cluster):
        broker = ValkeyBroker(cluster.folder)
        broker.start()
        environment = cluster.environment | {
            "DATABASE_URL": cluster.service,
            "CELERY_BROKER_URL": broker.url,
        }
        playground = Playground(cluster.folder, environment, port=free_port())
        started.extend([playground, broker])
        playground.start()
        return Service(cluster.folder, broker, playground, cluster.server)

    yield start
    for each in started:
        each.stop()


def rows_of(folder, table):
    """Return the rows of a table in a backup, by column."""
    manifest = json.loads((folder / "manifest.json").read_text())
    [stored] = [each for each in manifest["tables"] if each["name"] == table]
    with gzip.open(folder / stored["file"]["path"], "rt") as file:
        return [
            dict(zip(stored["columns"], line.rstrip("\n").split("\t"), strict=True))
            for line in file
        ]


def predict(service):
    body = {
        "tasks": [{"id": 1, "data": {"text": "hm"}}],
        "project": "1.1795433940",
        "label_config": CONFIG,
        "params": {},
    }
    deadline = time.monotonic() + 60
    while True:
        try:
            status, answer = service.call("POST", "/predict", body)
            if status == 200:
                return answer["results"][0]
        except OSError:
            status = 0
        assert time.monotonic() < deadline, status
        time.sleep(0.2)


def test_a_restored_service_serves_trains_and_seals_and_its_log_is_intact(
    backup, s3, start_cluster, start_elsewhere, tmp_path
):
    assert CREATED_AT == "2026-11-23T11:39:00Z"  # the stamp in `predict`
    runs = {row["id"]: row["state"] for row in rows_of(backup, "training_trainingrun")}
    assert "running" in runs.values()
    versions = {
        row["id"]: row["version"] for row in rows_of(backup, "registry_modelversion")
    }
    [served] = [
        row["active_version_id"]
        for row in rows_of(backup, "registry_project")
        if row["labelstudio_id"] == "1"
    ]
    cluster = start_cluster(
        "elsewhere-cluster",
        **QUICK,
        **s3.environment,
        CHAOS_TRAINING_S="1",
        ARTIFACT_STORAGE=s3.url("127.0.0.1", s3.port),
        AUDIT_ANCHOR=(tmp_path / "anchors.jsonl").as_uri(),
    )
    status, output = cluster.manage(cluster.owner, "restore", str(backup))
    assert (status, "Restored as of" in output) == (0, True), output
    status, output = cluster.manage(cluster.service, "audit", "verify")
    assert (status, "not sealed" in output) == (0, False), output

    service = start_elsewhere(cluster)
    assert predict(service)["model_version"] == versions[served]
    answered = time.monotonic()
    service.until(
        "SELECT 1 FROM audit_seal, pg_control_system() c, audit_prediction p"
        " WHERE sealed_table = 'audit_prediction'"
        " AND audit_seal.system_identifier = c.system_identifier"
        " AND p.id BETWEEN first_id AND last_id",
        within_s=30,
    )
    print(f"sealed {time.monotonic() - answered:.1f} s after the answer")
    [(lower,)] = service.rows(
        "SELECT max(txid) > pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        " FROM audit_prediction"
    )
    assert lower, "the new cluster's transaction numbers start lower"
    service.until_trained(service.annotate(999_999), within_s=120)
    for run, state in runs.items():
        if state not in ENDED:
            service.until(
                "SELECT 1 FROM training_trainingrun WHERE id = %s AND state = ANY(%s)",
                run,
                list(ENDED),
                within_s=120,
            )
    service.until(
        "SELECT 1 WHERE NOT EXISTS (SELECT FROM training_inboxentry)", within_s=120
    )
    service.playground.stop()
    status, output = cluster.manage(cluster.service, "audit", "verify")
    assert (status, "Intact" in output) == (0, True), output
    status, output = cluster.manage(
        cluster.service, "backup", str(tmp_path / os.urandom(4).hex())
    )
    assert status == 0, output
