"""`manage.py backup`: one moment, complete or not there, each file with its digest."""

import hashlib
import json
import stat
import threading

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connection

from lsml.audit import sealing
from lsml.audit.exclusive import schema_lock
from lsml.audit.models import AuditEntry, Seal
from lsml.backup import artifacts as backup_artifacts
from lsml.backup import tables
from lsml.backup.making import make_backup
from tests.db.audit.rows import predict
from tests.db.backup.conftest import add_version, run

pytestmark = pytest.mark.django_db(transaction=True)


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_the_manifest_has_the_digest_of_every_other_file(backup):
    manifest = manifest_of(backup)
    listed = {
        part["file"]["path"]: (part["file"]["sha256"], part["file"]["size"])
        for part in manifest["tables"] + manifest["artifacts"]
    }
    found = {
        str(path.relative_to(backup)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_size,
        )
        for path in backup.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert listed == found
    assert len(manifest["artifacts"]) == 2


def test_the_manifest_has_counts_migrations_and_the_last_seal(backup):
    manifest = manifest_of(backup)
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    assert (rows["audit_prediction"], rows["audit_webhookevent"]) == (5, 1)
    assert ["audit", "0001_initial"] in manifest["migrations"]
    last = Seal.objects.order_by("number").last()
    assert manifest["last_seal"] == [last.number, last.digest]


def test_nobody_else_may_read_a_backup(backup):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    # Copied into another folder, the files keep their own rights.
    files = [path for path in backup.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_logins_are_left_out(history, client, admin_user, tmp_path):
    client.force_login(admin_user)
    run("backup", tmp_path / "one")
    names = {table["name"] for table in manifest_of(tmp_path / "one")["tables"]}
    assert "auth_user" in names
    assert "django_session" not in names


def test_a_backup_is_recorded_with_the_digest_of_its_manifest(backup):
    entry = AuditEntry.objects.get(verb="backup made")
    digest = hashlib.sha256((backup / "manifest.json").read_bytes()).hexdigest()
    assert entry.detail["manifest_sha256"] == digest


def test_rows_and_seals_that_are_made_meanwhile_are_not_in_it(
    history, tmp_path, monkeypatch
):
    copy_out = tables.copy_out

    def meanwhile(table, *arguments):
        if table == "audit_auditentry":  # the first table of the log
            thread = threading.Thread(target=write_more)
            thread.start()
            thread.join()
        return copy_out(table, *arguments)

    def write_more():
        predict(4)
        sealing.seal()
        add_version(history, 3)
        connection.close()

    monkeypatch.setattr(tables, "copy_out", meanwhile)
    before = Seal.objects.order_by("-number")[0]
    run("backup", tmp_path / "one")
    manifest = manifest_of(tmp_path / "one")
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    assert rows["audit_prediction"] == 5
    assert rows["registry_modelversion"] == len(manifest["artifacts"]) == 2
    assert Seal.objects.order_by("-number")[0].number > before.number
    assert manifest["last_seal"] == [before.number, before.digest]
    assert manifest["sequences"]["audit_seal_number_seq"] == [before.number, True]


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(backup):
    before = (backup / "manifest.json").read_bytes()
    with pytest.raises(CommandError, match="is not an empty folder"):
        run("backup", backup)
    assert (backup / "manifest.json").read_bytes() == before


def test_a_folder_without_a_name_is_refused(history):
    with pytest.raises(CommandError, match="is not an empty folder"):
        run("backup", "/")


def test_an_empty_folder_is_used(history, tmp_path):
    (tmp_path / "one").mkdir()
    run("backup", tmp_path / "one")
    assert (tmp_path / "one" / "manifest.json").exists()


def test_what_a_killed_backup_left_is_no_backup_and_is_named(history, tmp_path):
    left = tmp_path / "one.partial"
    (left / "database").mkdir(parents=True)
    with pytest.raises(CommandError, match=r"was killed\. It is not complete"):
        run("backup", tmp_path / "one")
    with pytest.raises(CommandError, match="is not a complete backup"):
        run("restore", left)


def test_a_backup_that_fails_leaves_nothing(history, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_artifacts, "copy_out", full)
    with pytest.raises(CommandError, match=r"No backup was made: .*No space left"):
        run("backup", tmp_path / "one")
    assert list(tmp_path.glob("one*")) == []


def test_artifacts_that_are_missing_or_damaged_are_named_and_the_rest_is_kept(
    history, artifacts, tmp_path
):
    (artifacts / f"project-{history.pk}/run-1/1.tar").unlink()
    (artifacts / f"project-{history.pk}/run-2/1.tar").write_bytes(b"changed")
    with pytest.raises(CommandError) as error:
        run("backup", tmp_path / "one")
    assert "run-1/1.tar, the artifact of version v1 of project 7, is not in" in str(
        error.value
    )
    assert "run-2/1.tar, the artifact of version v2 of project 7, is damaged" in str(
        error.value
    )
    manifest = manifest_of(tmp_path / "one")
    assert (manifest["artifacts"], len(manifest["missing_artifacts"])) == ([], 2)


def test_a_backup_waits_for_what_changes_the_tables(history, tmp_path):
    waiting, done = threading.Event(), threading.Event()

    def make():
        make_backup(tmp_path / "one", say=lambda _: waiting.set())
        connection.close()
        done.set()

    thread = threading.Thread(target=make)
    with schema_lock():
        thread.start()
        assert waiting.wait(20)
        assert not done.is_set()
    thread.join()
    assert done.is_set()


def test_a_connection_that_is_lost_while_artifacts_are_copied_does_not_matter(
    history, tmp_path, monkeypatch
):
    copy_out = backup_artifacts.copy_out

    def lose_connection(*arguments):
        if connection.connection is not None:
            other = connection.copy()
            end_session(other, connection.connection.info.backend_pid)
            other.close()
        return copy_out(*arguments)

    monkeypatch.setattr(backup_artifacts, "copy_out", lose_connection)
    run("backup", tmp_path / "one")
    assert AuditEntry.objects.filter(verb="backup made").exists()


def end_session(other, pid):
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_backup_that_cannot_be_recorded_is_not_said_to_be_missing(
    history, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise OperationalError("the server went away")

    monkeypatch.setattr("lsml.backup.making.record_command", fail)
    with pytest.raises(CommandError, match=r"is complete.*not recorded") as error:
        run("backup", tmp_path / "one")
    assert "No backup was made" not in str(error.value)
    digest = hashlib.sha256((tmp_path / "one/manifest.json").read_bytes()).hexdigest()
    assert digest in str(error.value)


def test_only_sequences_of_the_tables_in_it_are_in_a_backup(history, tmp_path):
    execute("CREATE TABLE somebody_elses (id serial)")
    try:
        run("backup", tmp_path / "one")
    finally:
        execute("DROP TABLE somebody_elses")
    names = set(manifest_of(tmp_path / "one")["sequences"])
    assert {"registry_project_id_seq", "audit_seal_number_seq"} <= names
    assert "somebody_elses_id_seq" not in names
    # `restore` fills this table itself, perhaps with more rows than the backup had.
    assert "django_migrations_id_seq" not in names


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
