"""Training as in production: artifacts on S3, and PostgreSQL behind a pooler."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import boto3
import psycopg
import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from lsml.jobs import sweeper
from lsml.jobs.services import request_cancel, retry
from lsml.registry.artifacts import Artifact, artifact_storage, fetch_artifact
from lsml.registry.models import ModelVersion
from lsml.registry.storage_url import storage_from_url
from lsml.training import cleanup
from lsml.training.models import RunEvent, TrainingAttempt, TrainingRun
from lsml.training.runs import kind
from tests.chaos.servers import free_port

from .conftest import ORIGIN
from .watching import InBackground

pytestmark = pytest.mark.slow


class S3Server:
    """A real S3 server (nanio) that checks signatures."""

    KEYS = {"ACCESS_KEY": "key-of-the-tests", "SECRET_KEY": "secret-of-the-tests"}

    def __init__(self, folder):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--data-dir", str(self._folder)),
                "--no-access-log",
            ],
            env=os.environ | {f"NANIO_{name}": key for name, key in self.KEYS.items()},
        )
        wait_for(self.port)

    def stop(self):
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def s3_server(tmp_path):
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.KEYS["ACCESS_KEY"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.KEYS["SECRET_KEY"])
    endpoint = s3_server.endpoint
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="models")
    yield f"s3://models/service?endpoint_url={endpoint}&region_name=us-east-1", client
    client.close()


@pytest.fixture
def s3_artifacts(worker, s3, settings, monkeypatch):
    url, client = s3
    settings.STORAGES = settings.STORAGES | {"artifacts": storage_from_url(url)}
    monkeypatch.setenv("ARTIFACT_STORAGE", url)

    def keys():
        found = client.list_objects_v2(Bucket="models").get("Contents", [])
        return [each["Key"] for each in found]

    return keys


def test_artifacts_go_to_s3_and_come_back(worker, studio, s3_artifacts):
    worker.serve("Remembering")
    studio.annotate(1)
    version = worker.train().version
    assert s3_artifacts() == [f"service/{version.artifact_key}"]
    artifact = Artifact(
        version.artifact_key, version.artifact_sha256, version.artifact_bytes
    )
    assert (
        fetch_artifact(artifact).folder / "seen.json"
    ).read_text() == '{"1001": [1]}'


def test_a_training_waits_for_s3_and_keeps_what_it_learned(
    worker, studio, s3_server, s3_artifacts
):
    worker.serve("Remembering")
    studio.annotate(1)
    worker.process_inbox()
    s3_server.stop()
    training = InBackground(worker.begin())
    training.until(lambda run: "The artifact was not stored" in run.log, within_s=30)
    s3_server.start()
    run = training.end()
    assert (run.state, run.attempts, run.failures) == ("succeeded", 1, 0)
    version = ModelVersion.objects.get()
    assert s3_artifacts() == [f"service/{version.artifact_key}"]


def test_a_run_that_s3_fails_names_the_storage_and_can_be_retried(
    worker, studio, s3_server, s3_artifacts
):
    worker.serve("Remembering", TRAINING_OUTAGE_S="0")
    studio.annotate(1)
    s3_server.stop()
    run = worker.train()
    assert (run.state, run.attempts, run.failures) == ("failed", 1, 0)
    assert "the artifact storage cannot be used" in run.error
    assert "The model is not the cause: retry the run" in run.error
    s3_server.start()
    retry(run, actor="ann", origin=ORIGIN)
    worker.begin().carry()
    assert ModelVersion.objects.get().annotation_count == 1
    assert RunEvent.objects.filter(run__state="succeeded").count() == 1


def test_what_a_lost_worker_stored_on_s3_is_removed(
    worker, studio, s3_artifacts, settings
):
    settings.TRAINING_LEASE_S = 0
    worker.serve("Remembering")
    studio.annotate(1)
    worker.process_inbox()
    lost = worker.begin()
    artifact_storage().save(lost.attempt.artifact_key, ContentFile(b"half of it"))
    assert len(s3_artifacts()) == 1
    time.sleep(0.1)
    sweeper.give_up_silent_workers(kind)
    cleanup.remove_orphans()
    assert s3_artifacts() == []
    assert TrainingAttempt.objects.get().artifact_key  # looked at again later


@pytest.mark.parametrize("wrong_s", [-3600, 3600])
def test_a_wrong_clock_does_not_end_the_watch_for_late_artifacts(
    worker, studio, settings, monkeypatch, wrong_s
):
    settings.TRAINING_LEASE_S = 0
    worker.serve("Remembering")
    studio.annotate(1)
    worker.process_inbox()
    worker.begin()
    time.sleep(0.1)
    right_now = timezone.now
    with monkeypatch.context() as wrong:
        wrong.setattr(
            timezone, "now", lambda: right_now() + timedelta(seconds=min(wrong_s, 0))
        )
        sweeper.give_up_silent_workers(kind)
        wrong.setattr(
            timezone, "now", lambda: right_now() + timedelta(seconds=max(wrong_s, 0))
        )
        cleanup.remove_orphans()
    assert TrainingAttempt.objects.get().artifact_key  # looked at again later


@pytest.fixture
def pgbouncer(worker, monkeypatch):
    """All connections of this test through a transaction-pooling pgbouncer."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("pgbouncer is not installed")
    database = connection.settings_dict
    host = database["HOST"] or database["OPTIONS"]["host"]
    folder = Path(tempfile.mkdtemp(prefix="bouncer-"))
    port = free_port()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={host} port={database['PORT'] or 5432} user=postgres\n"
        f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n"
        f"auth_type=any\nauth_file={folder}/users\npool_mode=transaction\n"
        "default_pool_size=3\nignore_startup_parameters=extra_float_digits\n"
        "logfile=\n"
    )
    # The socket of the embedded server may be its owner's alone.
    socket_file = Path(f"{host}/.s.PGSQL.{database['PORT'] or 5432}")
    owner = socket_file.stat().st_uid
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner, -1)
    command = [program, str(folder / "ini")]
    if os.getuid() == 0:
        right = "+dac_override"  # the server's socket may lie where only root may enter
        command = [
            *("setpriv", f"--reuid={owner}", "--clear-groups"),
            *(f"--inh-caps={right}", f"--ambient-caps={right}", *command),
        ]
    server = subprocess.Popen(command)
    wait_for(port)
    direct = database["HOST"], database["PORT"], dict(database["OPTIONS"])
    connection.close()
    database["HOST"], database["PORT"] = "127.0.0.1", str(port)
    database["OPTIONS"].pop("host", None)
    database["OPTIONS"].pop("port", None)
    url = f"postgresql://postgres@127.0.0.1:{port}/{database['NAME']}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_PGBOUNCER", "true")
    monkeypatch.setitem(database, "DISABLE_SERVER_SIDE_CURSORS", True)
    yield url
    connection.close()
    database["HOST"], database["PORT"], database["OPTIONS"] = direct
    server.terminate()
    server.wait()
    shutil.rmtree(folder)


def test_runs_work_through_a_transaction_pooler(pgbouncer, worker, studio, settings):
    with psycopg.connect(pgbouncer) as through, through.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)
    worker.serve("Remembering")
    studio.annotate(1)
    studio.annotate(2)
    assert worker.train().version.annotation_count == 2
    worker.serve("Slow")
    studio.annotate(3)
    worker.process_inbox()
    first = InBackground(worker.begin())
    first.until(lambda run: run.message.startswith("step"))
    sweeper.give_up_silent_workers(kind)
    request_cancel(first.run, actor="ann", reason="", origin=ORIGIN)
    assert first.end().state == "cancelled"
    assert TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE).count() == 0


def wait_for(port):
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)
