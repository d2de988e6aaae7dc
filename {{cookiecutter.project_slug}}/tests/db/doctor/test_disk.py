"""How full the disks are, and when they will be."""

import shutil
from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit import rollups
from lsml.audit.models import PredictionHour
from lsml.doctor import disk
from lsml.doctor.findings import Level
from lsml.observability import counts
from lsml.registry.models import ModelVersion, Project
from tests.db.audit.rows import generate

GB = 1e9


@pytest.mark.parametrize(
    ("free", "level"),
    [(11 * GB, Level.OK), (9 * GB, Level.WARNING), (0, Level.PROBLEM)],
)
def test_a_disk_that_is_nearly_full_is_found(free, level):
    assert disk.FileSystem(["exports"], 100 * GB, free).space.level is level


@pytest.mark.parametrize(("growth", "level"), [(1, Level.OK), (4, Level.WARNING)])
def test_a_disk_that_is_soon_full_is_found(growth, level):
    system = disk.FileSystem(["database"], 1000 * GB, 100 * GB, growth * GB)
    found = system.projection
    assert (found.level, f"full in {100 / growth:.0f} days" in found.text) == (
        level,
        True,
    )


def test_folders_of_one_file_system_share_its_growth(tmp_path):
    folders = {"database": [tmp_path], "artifacts": [tmp_path], "exports": [tmp_path]}
    [system] = disk.file_systems(folders, {"database": 2.0, "artifacts": 3.0})
    assert (system.contents, system.growth) == (list(folders), 5.0)


def test_the_size_of_a_folder_is_what_its_files_take(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= disk.size_of(tmp_path) < 150_000


@pytest.mark.django_db
def test_tables_grow_by_their_rows_of_seven_days(monkeypatch):
    monkeypatch.setattr(disk, "_ROWS_MIN", 100)
    generate(100)
    rollups.count("audit_prediction", "true")
    sizes = disk.table_sizes()
    assert disk.tables_growth(sizes, timezone.now()) == pytest.approx(
        sizes["audit_prediction"]  # all in less than a day
    )
    PredictionHour.objects.update(hour=timezone.now() - timedelta(days=4))
    assert disk.tables_growth(sizes, timezone.now()) == pytest.approx(
        sizes["audit_prediction"] / 4, rel=0.01
    )


@pytest.mark.django_db
def test_the_size_of_a_partitioned_table_includes_its_partitions_and_indexes():
    generate(2_000)
    assert disk.table_sizes()["audit_prediction"] > 2_000 * 400


@pytest.mark.django_db
def test_artifacts_grow_by_the_versions_of_seven_days():
    project = Project.objects.create(labelstudio_id=1)
    for number, days in enumerate((1, 2, 8), start=1):
        ModelVersion.objects.create(
            project=project,
            number=number,
            version=f"v{number}",
            artifact_key=f"v{number}.tar",
            artifact_bytes=700,
            created_at=timezone.now() - timedelta(days=days),
        )
    assert disk.artifacts_growth(timezone.now()) == 200


def test_the_counts_for_metrics_of_this_service_are_found(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    ours, other = counts.make_counts_folder(), counts.make_counts_folder()
    try:
        counts.name_service(ours, tmp_path)
        counts.name_service(other, tmp_path / "another service")
        assert disk.folders_here()["counts for metrics"] == [ours]
    finally:
        shutil.rmtree(ours)
        shutil.rmtree(other)
