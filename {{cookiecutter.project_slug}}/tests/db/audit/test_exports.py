"""Anybody can check an export, without the database and without our code."""

import csv
import hashlib
import io
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.audit import chain, formats, sealing
from lsml.audit.export_check import NotAnExport, check_export
from lsml.audit.exports import Order, export
from lsml.audit.models import AuditEntry, Prediction
from tests.db.api_v1.test_any_json import NUMBERS
from tests.db.api_v1.test_any_json import hear as webhook
from tests.db.audit.rows import as_superuser, hear, predict

pytestmark = pytest.mark.django_db(transaction=True)

NASTY = 'a "quoted"\r\nline\\ with, commas\t\x7f\x01 and é 漢字 😀'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "export.zip"


def all_of_it(file_format="jsonl"):
    now = timezone.now()
    return Order(now - timedelta(days=1), now + timedelta(days=1), file_format)


def write(path, order=None):
    sealing.seal()
    return export(order=order or all_of_it(), path=path)


def rewrite(path, member, change):
    """Write the ZIP again with one member's bytes changed."""
    with ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members[member] = change(members[member])
    manifest = json.loads(members["manifest.json"])
    for name, table in manifest["tables"].items():  # an attacker adapts the manifest
        rows = members[f"{name}.{manifest['file_format']}"]
        table["sha256"] = hashlib.sha256(rows).hexdigest()
        seals = members[f"{name}.seals.jsonl"]
        table["seals_sha256"] = hashlib.sha256(seals).hexdigest()
    members["manifest.json"] = json.dumps(manifest).encode()
    with ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


def found(path):
    return [str(finding) for finding in check_export(path=path).findings]


@pytest.mark.parametrize("file_format", formats.FORMATS)
def test_an_export_passes_its_check(path, file_format):
    if file_format == "parquet":
        pytest.importorskip("pyarrow")
    predict(3, error=NASTY, score=None, result=None, context={"a": NASTY, "b": 1.50})
    predict(2, score=1e-7, latency_ms=12, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    hear(payload={"x": [None, True, 1e100, ""]}, annotation_ids=[])
    write(path, all_of_it(file_format))
    report = check_export(path=path)
    assert (report.findings, report.rows, report.seals) == ([], 6, 2)


@pytest.mark.parametrize("file_format", formats.FORMATS)
def test_numbers_of_any_size_pass_the_check_of_an_export(api, path, file_format):
    if file_format == "parquet":
        pytest.importorskip("pyarrow")
    for sent, _ in NUMBERS.values():
        assert webhook(api, sent).status_code == 200
    assert webhook(api, b"[" * 199 + b"]" * 199).status_code == 200
    write(path, all_of_it(file_format))
    call_command("audit", "verify")
    report = check_export(path=path)
    assert (report.findings, report.rows) == ([], len(NUMBERS) + 1)


def test_an_export_made_while_sealing_lagged_says_what_is_missing(path):
    write(path)
    predict(2)
    as_superuser("UPDATE audit_prediction SET id = id - (3600000::bigint << 12)")
    export(order=all_of_it(), path=path)
    assert found(path) == [
        "2 rows of audit_prediction are not in this export: sealing lagged when it was"
        " made. Seal, and export again."
    ]


def test_a_third_party_recomputes_the_digests_with_its_own_few_lines(path):
    predict(3)
    write(path)
    with ZipFile(path) as file:
        lines = file.read("audit_prediction.jsonl").splitlines()
        [seal] = map(json.loads, file.read("audit_prediction.seals.jsonl").splitlines())
    leaves = b"".join(hashlib.sha256(line).digest() for line in lines)
    assert hashlib.sha256(leaves).hexdigest() == seal["rows_digest"]
    text = "|".join(str(seal[name]) for name in chain.SEALED_FIELDS)
    assert hashlib.sha256(text.encode()).hexdigest() == seal["digest"]
    assert json.loads(lines[0])["model_version"] == "v1"


def test_only_the_requested_time_range_is_exported(path):
    early, late, later = predict(3)
    as_superuser(
        f"UPDATE audit_prediction SET id = id - (7200000::bigint << 12)"
        f" WHERE id = {early.pk}"
    )
    write(
        path, Order(timezone.now() - timedelta(hours=1), timezone.now() + timedelta(1))
    )
    with ZipFile(path) as file:
        rows = [json.loads(line) for line in file.open("audit_prediction.jsonl")]
    assert [row["id"] for row in rows] == [late.pk, later.pk]
    assert found(path) == []


def test_a_changed_byte_is_found_and_its_row_named(path):
    [_, row, _] = predict(3)
    write(path)

    def change(data):
        lines = data.splitlines(keepends=True)
        lines[1] = lines[1].replace(b'"v1"', b'"v2"')
        return b"".join(lines)

    rewrite(path, "audit_prediction.jsonl", change)
    assert found(path) == [f"Row {row.pk} of audit_prediction was changed (seal 1)."]


def test_a_row_cut_out_is_named(path):
    [_, row, _] = predict(3)
    write(path)

    def cut(data):
        lines = data.splitlines(keepends=True)
        return lines[0] + lines[2]

    rewrite(path, "audit_prediction.jsonl", cut)
    assert found(path) == [f"Row {row.pk} of audit_prediction was deleted (seal 1)."]


def test_a_changed_cell_of_a_csv_is_found(path):
    [row] = predict()
    write(path, all_of_it("csv"))

    def change(data):
        header, cells = csv.reader(io.StringIO(data.decode(), newline=""))
        cells[header.index("task_id")] = "8"
        out = io.StringIO(newline="")
        csv.writer(out).writerows([header, cells])
        return out.getvalue().encode()

    rewrite(path, "audit_prediction.csv", change)
    assert found(path) == [f"Row {row.pk} of audit_prediction was changed (seal 1)."]


FORMULAS = ["=1+1", " =1+1", "\t@x", "\n-1", "\u00a0+1", "\uff1dA1", "\r", "'=1", "'a"]


def test_a_csv_has_no_cell_that_a_spreadsheet_executes_and_restores_each_text(path):
    for text in FORMULAS:
        predict(error=text, model_version=text)
    write(path, all_of_it("csv"))
    assert found(path) == []
    with ZipFile(path) as file:
        data = file.read("audit_prediction.csv").decode()
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    assert [row["error"] for row in rows] == [f"'{text}" for text in FORMULAS]
    assert [row["model_version"] for row in rows] == [f"'{text}" for text in FORMULAS]


def test_a_missing_seal_is_found(path):
    for _ in range(3):
        predict()
        sealing.seal()
    write(path)

    def cut(data):
        lines = data.splitlines(keepends=True)
        return lines[0] + lines[2]

    rewrite(path, "audit_prediction.seals.jsonl", cut)
    assert "Seal 2 is missing." in found(path)


def test_a_completely_forged_export_is_detected_by_an_anchor(path):
    predict()
    write(path)
    report = check_export(path=path, anchored=[(1, "f" * 64)])
    assert str(report.findings[0]) == "Seal 1 differs from the anchored one."


def test_a_file_that_is_not_an_export_is_refused(path):
    path.write_bytes(b"PK")
    with pytest.raises(NotAnExport):
        check_export(path=path)


@pytest.mark.parametrize(
    "manifest", [b"[]", b"1", b"{}", b'{"format": 1}', b"\xff", b'{"format": []}']
)
def test_a_zip_with_another_manifest_is_refused(path, manifest):
    with ZipFile(path, "w") as file:
        file.writestr("manifest.json", manifest)
    with pytest.raises(NotAnExport):
        check_export(path=path)


def test_a_truncated_export_is_refused(path):
    predict(3)
    write(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:size])
        with pytest.raises(NotAnExport):
            check_export(path=path)


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_a_damaged_export_never_crashes_the_check(path, file_format):
    predict(3)
    write(path, all_of_it(file_format))
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 150):
        changed = bytes([whole[place] ^ 255])
        path.write_bytes(whole[:place] + changed + whole[place + 1 :])
        with suppress(NotAnExport):
            check_export(path=path)


def test_a_missing_export_fails_the_command(path):
    with pytest.raises(CommandError, match="cannot be read as an export"):
        call_command("audit", "verify", "--export", str(path))


def test_the_command_exports_and_checks(path, capsys):
    predict(2)
    call_command("audit", "export", "--from", "1d", "--output", str(path))
    call_command("audit", "verify", "--export", str(path))
    call_command("audit", "verify")
    out = capsys.readouterr().out
    assert "2 rows in" in out
    assert "Intact: 2 rows in 1 seals" in out
    assert AuditEntry.objects.get().verb == "trail exported"


def test_the_command_fails_where_a_row_was_changed(capsys):
    [row] = predict()
    sealing.seal()
    as_superuser("UPDATE audit_prediction SET score = 1")
    with pytest.raises(CommandError, match="Not intact: 1 findings"):
        call_command("audit", "verify")
    assert f"Row {row.pk}" in capsys.readouterr().out


def test_parquet_without_pyarrow_says_what_to_install(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CommandError, match=r"requirements/export\.txt"):
        call_command(
            "audit", "export", "--from", "1d", "--format", "parquet", "--output", path
        )


def test_the_command_explains_a_prediction(capsys):
    [row] = predict()
    call_command("explain", str(row.pk))
    output = json.loads(capsys.readouterr().out)
    assert output["prediction"]["task_id"] == 7
    assert output["version"] is None
    assert Prediction.objects.count() == 1
