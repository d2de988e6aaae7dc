"""`manage.py restore`: all as it was, or a refusal that names what is wrong."""

import hashlib
import json
import re
import shutil

import pytest
from django.core.files import File
from django.core.management import CommandError

from lsml.audit import sealing
from lsml.audit.models import AuditEntry, Prediction, Seal
from lsml.audit.verify import verify
from lsml.backup.tables import columns_of
from lsml.registry.artifacts import artifact_storage
from lsml.registry.models import ModelVersion, Project
from tests.chaos.servers import free_port
from tests.chaos.storage import S3
from tests.db.audit.history import saved
from tests.db.audit.rows import predict
from tests.db.backup.conftest import empty, run, use_storage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def new_service(backup, settings, tmp_path):
    """An empty database and an empty artifact storage, beside a backup."""
    empty(settings, tmp_path / "new")
    return backup


def contents():
    """Return the rows of all tables in an order of their own, without new ones."""
    return {
        name: sorted(json.dumps(row) for row in json.loads(text))
        for name, text in saved().items()
        # `restore` adds an audit entry, and seals it.
        if name not in {"audit_auditentry", "audit_auditentryhour", "audit_seal"}
    }


def test_all_rows_are_as_they_were(history, settings, tmp_path):
    sealing.seal()
    run("backup", tmp_path / "one")
    before, seals = contents(), set(Seal.objects.values_list("digest", flat=True))
    empty(settings, tmp_path / "new")
    run("restore", tmp_path / "one")
    assert contents() == before
    assert {"registry_project", "audit_prediction", "audit_webhookevent"} <= set(before)
    assert seals < set(Seal.objects.values_list("digest", flat=True))


def test_the_artifacts_are_in_the_storage_again(new_service):
    run("restore", new_service)
    for version in ModelVersion.objects.all():
        with artifact_storage().open(version.artifact_key) as stored:
            assert stored.read() == f"artifact {version.number}".encode()


def test_a_restored_log_is_sealed_and_intact_and_says_that_it_was_restored(new_service):
    run("restore", new_service)
    report = verify()
    assert (report.findings, report.unsealed_rows) == ([], 0)
    assert AuditEntry.objects.get(verb="backup restored").target == "one"


def test_new_rows_get_new_keys(new_service):
    run("restore", new_service)
    known = set(Project.objects.values_list("pk", flat=True))
    assert Project.objects.create(labelstudio_id=8).pk > max(known)
    predict(1)
    sealing.seal()
    assert verify().intact


def test_a_database_with_rows_is_refused_and_left_as_it_is(new_service):
    Project.objects.create(labelstudio_id=1)
    with pytest.raises(CommandError, match="not empty: registry_project have rows"):
        run("restore", new_service)
    assert Project.objects.count() == 1
    assert not Prediction.objects.exists()


def test_each_missing_and_each_changed_file_is_named(new_service):
    manifest = json.loads((new_service / "manifest.json").read_text())
    first, second = (each["file"]["path"] for each in manifest["artifacts"])
    (new_service / first).unlink()
    change_a_byte(new_service / second)
    change_a_byte(new_service / "database/audit_seal.copy.gz")
    with pytest.raises(CommandError) as error:
        run("restore", new_service)
    lines = str(error.value).splitlines()
    assert f"Missing: {first}, the artifact of version v1 of project 7." in lines
    assert f"Changed: {second}, the artifact of version v2 of project 7." in lines
    assert "Changed: database/audit_seal.copy.gz." in lines
    assert not Project.objects.exists()


def change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_backup_with_the_digest_that_backup_printed_is_restored(
    history, settings, tmp_path
):
    printed = run("backup", tmp_path / "one")
    [digest] = re.findall(r"^SHA-256 of its manifest: (\w{64})$", printed, re.MULTILINE)
    empty(settings, tmp_path / "new")
    run("restore", tmp_path / "one", "--sha256", digest)
    assert Project.objects.get().labelstudio_id == 7


def test_a_backup_with_another_digest_is_refused(new_service):
    manifest = new_service / "manifest.json"
    expected = hashlib.sha256(manifest.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text() + "\n")  # complete, but not the same
    with pytest.raises(CommandError, match=f"not {expected}: it is another backup"):
        run("restore", new_service, "--sha256", expected)
    assert not Project.objects.exists()


def test_a_manifest_that_names_files_elsewhere_is_refused(new_service):
    manifest = json.loads((new_service / "manifest.json").read_text())
    manifest["artifacts"][0]["file"]["path"] = "../../etc/passwd"
    (new_service / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CommandError, match="is not a manifest"):
        run("restore", new_service)


def test_a_backup_of_newer_code_is_refused(new_service):
    manifest = json.loads((new_service / "manifest.json").read_text())
    manifest["migrations"].append(["audit", "0002_later"])
    (new_service / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CommandError, match=r"does not have .*: audit.0002_later"):
        run("restore", new_service)


def test_a_backup_of_older_code_is_not_loaded_into_newer_tables(new_service):
    manifest = json.loads((new_service / "manifest.json").read_text())
    manifest["migrations"].remove(["quality", "0001_initial"])
    (new_service / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CommandError, match=r"the backup lacks: quality.0001_initial"):
        run("restore", new_service)


def test_artifacts_that_are_still_stored_are_used(new_service, settings, artifacts):
    use_storage(settings, artifacts.as_uri())
    before = {path: path.stat().st_ino for path in artifacts.rglob("*.tar")}
    run("restore", new_service)
    assert {path: path.stat().st_ino for path in artifacts.rglob("*.tar")} == before


def test_another_services_artifacts_are_not_overwritten(
    new_service, settings, artifacts
):
    use_storage(settings, artifacts.as_uri())
    [first, *_] = sorted(artifacts.rglob("*.tar"))
    first.write_bytes(b"another service's")
    with pytest.raises(CommandError, match="has another file under project-"):
        run("restore", new_service)
    assert first.read_bytes() == b"another service's"
    assert not Project.objects.exists()


def test_the_place_of_anchors_that_prove_later_seals_is_refused(
    history, settings, tmp_path
):
    settings.AUDIT_ANCHOR = (tmp_path / "anchors.jsonl").as_uri()
    sealing.seal()
    run("backup", tmp_path / "one")
    predict(1)
    later = sealing.seal()[-1].number
    empty(settings, tmp_path / "new")
    with pytest.raises(CommandError, match=f"AUDIT_ANCHOR has seal {later}, but"):
        run("restore", tmp_path / "one")
    assert not Prediction.objects.exists()
    settings.AUDIT_ANCHOR = (tmp_path / "new-anchors.jsonl").as_uri()
    run("restore", tmp_path / "one")
    assert verify().findings == []


@pytest.fixture
def s3(tmp_path, monkeypatch):
    server = S3(tmp_path / "server", port=free_port())
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
def test_artifacts_on_s3_are_copied_and_come_back(new_service, s3, settings, tmp_path):
    use_storage(settings, s3.url("127.0.0.1", s3.port))
    run("restore", new_service)
    missing, other = ModelVersion.objects.order_by("number")
    artifact_storage().delete(missing.artifact_key)
    with pytest.raises(CommandError, match=f"{missing.artifact_key}, .* is not in"):
        run("backup", tmp_path / "two")
    empty(settings, tmp_path / "third")
    assert f"The backup lacks {missing.artifact_key}" in run(
        "restore", tmp_path / "two"
    )
    with artifact_storage().open(other.artifact_key) as stored:
        assert stored.read() == b"artifact 2"


def test_a_backup_may_be_copied_and_renamed(new_service, tmp_path):
    shutil.copytree(new_service, tmp_path / "copy")
    run("restore", tmp_path / "copy")
    assert Project.objects.exists()


def test_a_copy_of_an_artifact_that_was_interrupted_is_not_left(
    new_service, monkeypatch
):
    class Interrupted(File):
        def chunks(self, *_):
            yield b"arti"
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lsml.backup.artifacts.File", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("restore", new_service)
    run("restore", new_service)  # it would take a part for another service's file
    assert Project.objects.exists()


def test_rows_that_are_written_while_artifacts_are_stored_are_kept(
    new_service, monkeypatch
):
    def meanwhile(*_):
        Project.objects.create(labelstudio_id=1)

    monkeypatch.setattr("lsml.backup.restoring.restore_artifacts", meanwhile)
    with pytest.raises(CommandError, match="not empty: registry_project have rows"):
        run("restore", new_service)
    assert Project.objects.get().labelstudio_id == 1


def change_manifest(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_only_tables_of_this_schema_are_written(new_service):
    def add_system_table(manifest):
        empty = next(each for each in manifest["tables"] if not each["rows"])
        name = "pg_seclabel"  # it is empty as well
        manifest["tables"].append(
            empty | {"name": name, "columns": columns_of(name), "months": []}
        )

    change_manifest(new_service, add_system_table)
    with pytest.raises(CommandError, match="no table pg_seclabel"):
        run("restore", new_service)
    assert not Project.objects.exists()


def test_a_sequence_that_does_not_exist_is_refused(new_service):
    def rename(manifest):
        used = manifest["sequences"].pop("registry_project_id_seq")
        manifest["sequences"]["registry_projecd_id_seq"] = used

    change_manifest(new_service, rename)
    with pytest.raises(CommandError, match="no sequence registry_projecd_id_seq"):
        run("restore", new_service)
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("migrations", [["audit"]]),
        ("migrations", 3),
        ("last_seal", ["1", 2, 3]),
        ("last_seal", ["x", "y"]),
        ("sequences", {"registry_project_id_seq": [1]}),
        ("sequences", {"registry_project_id_seq": ["x", True]}),
        ("missing_artifacts", None),
    ],
)
def test_a_manifest_with_other_values_is_refused(new_service, name, value):
    change_manifest(new_service, lambda manifest: manifest.update({name: value}))
    with pytest.raises(CommandError, match="is not a manifest"):
        run("restore", new_service)


@pytest.mark.parametrize(
    ("list_name", "fact", "value"),
    [
        ("tables", "months", ["2026-11"]),
        ("tables", "months", ["x", "y"]),
        ("tables", "columns", None),
        ("artifacts", "key", "../../elsewhere.tar"),
        ("artifacts", "key", "/elsewhere.tar"),
        ("artifacts", "key", 3),
    ],
)
def test_a_part_of_a_manifest_with_other_values_is_refused(
    new_service, list_name, fact, value
):
    change_manifest(
        new_service, lambda manifest: manifest[list_name][0].update({fact: value})
    )
    with pytest.raises(CommandError, match="is not a manifest"):
        run("restore", new_service)
