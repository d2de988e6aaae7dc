"""What is loaded is what the training stored: artifacts in storage and in the cache."""

import gc
import hashlib
import io
import os
import stat
import tarfile
import threading
from dataclasses import replace

import pytest
import structlog
from django.core.files.base import ContentFile

from lsml.registry.artifacts import (
    Artifact,
    artifact_storage,
    fetch_artifact,
    store_artifact,
)
from lsml.registry.errors import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactRefused,
    CacheRefused,
)
from lsml.registry.storage_url import storage_from_url


@pytest.fixture(autouse=True)
def cache(settings, tmp_path):
    settings.ARTIFACT_CACHE_DIR = tmp_path / "cache"
    kept = (tmp_path / "kept").as_uri()
    settings.STORAGES = settings.STORAGES | {"artifacts": storage_from_url(kept)}
    return settings.ARTIFACT_CACHE_DIR


@pytest.fixture
def store(tmp_path):
    """Store files under a key: their names and contents."""

    def put(key="1.tar", **files):
        folder = tmp_path / f"run-{key}"
        folder.mkdir()
        for name, content in (files or {"weights": "abc"}).items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        return store_artifact(folder, key=key)

    return put


@pytest.fixture
def stored(store):
    return store(weights="abc" * 1000, part__config="{}", empty="")


def tar_of(*members):
    """Store a tar of these members, as a registry that was tricked would name it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, changes in members:
            member = tarfile.TarInfo(name)
            for attribute, value in changes.items():
                setattr(member, attribute, value)
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return named(file.getvalue())


def named(content):
    artifact_storage().save("odd.tar", ContentFile(content))
    return Artifact("odd.tar", hashlib.sha256(content).hexdigest(), len(content))


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def names_in(cache):
    return sorted(path.name for path in cache.iterdir() if path.name[0] != ".")


def change_content(folder):
    (folder / "weights").write_text("abd" * 1000)


def change_content_and_keep_times(folder):
    before = (folder / "weights").stat()
    change_content(folder)
    os.utime(folder / "weights", ns=(before.st_atime_ns, before.st_mtime_ns))


def append(folder):
    with (folder / "part/config").open("a") as file:
        file.write(" ")


def add_a_file(folder):
    (folder / "part/sitecustomize.py").write_text("print('mine')")


def add_a_folder(folder):
    (folder / "more").mkdir()


def remove_a_file(folder):
    (folder / "empty").unlink()


def put_a_link(folder):
    (folder / "weights").rename(folder.parent / "elsewhere")
    (folder / "weights").symlink_to(folder.parent / "elsewhere")


def put_a_pipe(folder):
    (folder / "weights").unlink()
    os.mkfifo(folder / "weights")


def open_to_others(folder):
    (folder / "weights").chmod(0o666)


def remove_all(folder):
    folder.rename(folder.parent / "elsewhere")


def list_path(folder):
    return folder.parent / f"{folder.name}.list"


def change_the_list(folder):
    content = bytearray(list_path(folder).read_bytes())
    content[0:5] = b"other"
    list_path(folder).write_bytes(content)


def change_the_list_to_fit(folder):
    """Change a file, and write the list of the tar that this would be."""
    change_content(folder)
    with tarfile.open(list_path(folder), "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)


def break_the_list(folder):
    list_path(folder).write_bytes(b"no tar")


@pytest.mark.parametrize(
    "change",
    [
        change_content,
        change_content_and_keep_times,
        append,
        add_a_file,
        add_a_folder,
        remove_a_file,
        put_a_link,
        put_a_pipe,
        open_to_others,
        remove_all,
        change_the_list,
        change_the_list_to_fit,
        break_the_list,
    ],
)
def test_what_was_changed_in_the_cache_is_fetched_again_with_a_warning(stored, change):
    folder = fetch_artifact(stored).folder
    before = files_in(folder)
    change(folder)
    with structlog.testing.capture_logs() as logs:
        assert fetch_artifact(stored).folder == folder
    assert files_in(folder) == before
    assert [(each["log_level"], each["key"]) for each in logs] == [("warning", "1.tar")]


def test_what_is_unchanged_in_the_cache_is_not_fetched_again(stored):
    folder = fetch_artifact(stored).folder
    artifact_storage().delete(stored.key)
    with structlog.testing.capture_logs() as logs:
        assert fetch_artifact(stored).folder == folder
    assert logs == []


def test_what_was_changed_is_not_loaded_if_the_storage_has_lost_it(stored):
    folder = fetch_artifact(stored).folder
    artifact_storage().delete(stored.key)
    change_content(folder)
    with pytest.raises(ArtifactMissing, match="is not in the artifact storage"):
        fetch_artifact(stored)
    assert folder.exists()  # another process may use it


def test_the_files_of_another_artifact_do_not_pass_for_this_one(stored, store, cache):
    folder = fetch_artifact(stored).folder
    other = fetch_artifact(store("2.tar", weights="evil")).folder
    for path in (folder, list_path(folder)):
        path.rename(cache / f"elsewhere{path.suffix}")
    list_path(other).rename(list_path(folder))
    other.rename(folder)
    fetch_artifact(stored)
    assert files_in(folder)["weights"] == "abc" * 1000


def test_an_artifact_replaced_in_the_storage_is_refused(stored, store, cache):
    other = store("2.tar", weights="abd" * 1000, part__config="{}", empty="")
    assert other.size == stored.size
    artifact_storage().delete(stored.key)
    with artifact_storage().open(other.key) as file:
        artifact_storage().save(stored.key, file)
    with pytest.raises(ArtifactDamaged, match="is damaged: its SHA-256 is"):
        fetch_artifact(stored)
    assert names_in(cache) == []


def test_no_more_is_read_from_the_storage_than_the_registry_says(stored, monkeypatch):
    sizes = []

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            sizes.append(size)
            return b"x" * size

    class Storage:
        def open(self, name, mode):
            return Endless()

    monkeypatch.setattr("lsml.registry.artifacts.artifact_storage", Storage)
    with pytest.raises(ArtifactDamaged):
        fetch_artifact(stored)
    assert sum(sizes) == stored.size + 1


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_files_in_the_cache_are_private_whatever_the_umask(stored, cache, umask):
    before = os.umask(umask)
    try:
        fetch_artifact(stored)
    finally:
        os.umask(before)
    modes = {
        path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in cache.rglob("*")
    }
    assert modes == {True: 0o700, False: 0o600}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_a_program_in_an_artifact_stays_executable(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "program").write_text("#!/bin/sh")
    (folder / "program").chmod(0o755)
    found = fetch_artifact(store_artifact(folder, key="1.tar"))
    assert stat.S_IMODE((found.folder / "program").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_a_cache_that_others_can_change_is_refused(stored, cache, mode):
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(CacheRefused, match="can be changed by other users"):
        fetch_artifact(stored)


def test_a_cache_of_another_user_is_refused(stored, cache, monkeypatch):
    cache.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(CacheRefused, match="belongs to another user"):
        fetch_artifact(stored)


def test_a_cache_that_cannot_be_created_is_refused(stored, cache):
    cache.write_text("a file")
    with pytest.raises(CacheRefused, match=r"cannot be used \(File exists\)"):
        fetch_artifact(stored)


def test_a_cache_that_others_could_read_is_made_private(stored, cache):
    cache.mkdir(mode=0o755)
    cache.chmod(0o755)
    fetch_artifact(stored)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "member",
    [
        ("../outside", {"size": 1}),
        ("/outside", {"size": 1}),
        ("a/../../outside", {"size": 1}),
        (".", {"type": tarfile.DIRTYPE}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "weights"}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "weights"}),
        ("device", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("disk", {"type": tarfile.BLKTYPE}),
        ("pipe", {"type": tarfile.FIFOTYPE}),
        (
            "sparse",
            {"pax_headers": {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}},
        ),
        ("weights", {"size": 1}),
    ],
)
def test_what_is_no_plain_file_is_not_unpacked(cache, tmp_path, member):
    artifact = tar_of(("weights", {"size": 1}), member)
    with pytest.raises(ArtifactRefused, match="is not unpacked"):
        fetch_artifact(artifact)
    assert names_in(cache) == []
    assert not list(tmp_path.rglob("outside"))


def test_a_compressed_archive_is_not_unpacked(stored, cache):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 1 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(ArtifactRefused, match="it is no tar"):
        fetch_artifact(named(file.getvalue()))
    assert names_in(cache) == []


def test_a_link_in_a_run_is_stored_as_the_file_it_points_to(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "backbone").write_text("from the host")
    (folder / "checkpoint-5").write_text("best")
    (folder / "latest").symlink_to("checkpoint-5")
    os.link(folder / "checkpoint-5", folder / "same")
    (folder / "backbone").symlink_to(tmp_path / "backbone")
    found = fetch_artifact(store_artifact(folder, key="1.tar")).folder
    assert files_in(found) == {
        "backbone": "from the host",
        "checkpoint-5": "best",
        "latest": "best",
        "same": "best",
    }
    assert not any(path.is_symlink() for path in found.iterdir())


def test_the_least_recently_loaded_artifacts_leave_the_cache(store, cache, settings):
    settings.MODELS_IN_MEMORY_MAX = 1  # keeps two
    first, second, third = (store(f"{n}.tar", weights=str(n)) for n in range(3))
    for each in (first, second, first, third):
        fetch_artifact(each)
    gc.collect()
    assert {name[:64] for name in names_in(cache)} == {first.sha256, third.sha256}
    assert len(names_in(cache)) == 4  # each with its list


def test_an_artifact_in_use_stays_in_the_cache(store, cache, settings):
    settings.MODELS_IN_MEMORY_MAX = 1
    first = store("first.tar", weights="first")
    used = fetch_artifact(first)
    for number in range(3):
        fetch_artifact(store(f"{number}.tar", weights=str(number)))
    assert files_in(used.folder) == {"weights": "first"}
    del used
    fetch_artifact(store("last.tar", weights="last"))
    assert first.sha256 not in names_in(cache)


def test_folders_without_a_list_and_of_killed_processes_are_removed(stored, cache):
    cache.mkdir(mode=0o700)
    (cache / ("0" * 64)).mkdir()
    (cache / ".fetching-old").mkdir()
    os.utime(cache / ".fetching-old", (0, 0))
    (cache / ".fetching-new").mkdir()
    (cache / "not-ours").mkdir()
    fetch_artifact(stored)
    left = {path.name for path in cache.iterdir()} - {stored.sha256, ".lock"}
    assert left == {f"{stored.sha256}.list", ".fetching-new", "not-ours"}


def test_threads_that_find_a_changed_file_at_once_all_get_the_right_one(stored):
    folder = fetch_artifact(stored).folder
    change_content(folder)
    start, found = threading.Barrier(8), []

    def fetch():
        start.wait(10)
        artifact = fetch_artifact(stored)
        found.append((artifact.folder / "weights").read_text())

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["abc" * 1000] * 8


def test_the_list_takes_no_space_for_the_contents(store):
    artifact = store(weights="x" * (8 << 20))
    listed = list_path(fetch_artifact(artifact).folder).stat()
    assert listed.st_size == artifact.size
    assert listed.st_blocks * 512 < 1 << 20


def test_a_wrong_size_in_the_registry_is_noticed(stored):
    with pytest.raises(ArtifactDamaged):
        fetch_artifact(replace(stored, size=stored.size - 512))
