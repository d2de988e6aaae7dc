"""The folder of fetched files has a size limit and is safe to share."""

import multiprocessing
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.file_cache import FileCache, FileTooLarge


@pytest.fixture
def cache(tmp_path):
    return FileCache(tmp_path / "cache", max_bytes=100)


def add(cache, key, size=40, used_at=None):
    path = cache.add(cache.path(key, "a.bin"), [b"x" * size])
    if used_at is not None:
        os.utime(path, (used_at, used_at))
    return path


def held(cache):
    return sum(path.stat().st_size for path in cache.folder.iterdir())


def test_a_file_is_found_again_with_its_suffix(cache):
    path = add(cache, "http://x/a.bin")
    assert cache.find(cache.path("http://x/a.bin", "a.bin"))
    assert (path.suffix, path.read_bytes()) == (".bin", b"x" * 40)


def test_two_keys_with_the_same_name_give_two_files(cache):
    assert cache.path("1", "a.bin") != cache.path("2", "a.bin")


@given(name=st.text(max_size=300), key=st.text(max_size=300))
def test_no_name_leads_out_of_the_folder(tmp_path_factory, name, key):
    cache = FileCache(tmp_path_factory.getbasetemp(), 1)
    path = cache.path(key, name)
    assert path.parent == cache.folder
    assert len(path.name.encode()) < 255


def test_the_least_recently_used_file_is_removed_first(cache):
    old = add(cache, "old", used_at=1)
    used = add(cache, "used", used_at=0)
    assert cache.find(used)  # marks it as used more recently than `old`
    new = add(cache, "new")
    assert [path.exists() for path in (old, used, new)] == [False, True, True]


def test_the_cache_never_exceeds_its_limit(cache):
    for n in range(20):
        add(cache, str(n), size=30)
        assert held(cache) <= cache.max_bytes


def test_a_file_larger_than_the_cache_is_refused_and_leaves_nothing(cache):
    def chunks():
        for _ in range(1000):
            yield b"x" * 60

    with pytest.raises(FileTooLarge, match="LSML_CACHE_MAX_MB"):
        cache.add(cache.path("big", "a"), chunks())
    assert held(cache) == 0


def test_an_interrupted_download_leaves_nothing(cache):
    def broken():
        yield b"half"
        raise ConnectionError("gone")

    path = cache.path("key", "a")
    with pytest.raises(ConnectionError):
        cache.add(path, broken())
    assert not path.exists()
    assert held(cache) == 0


def test_a_file_appears_only_when_it_is_complete(cache):
    path = cache.path("key", "a")
    seen = []

    def chunks():
        yield b"half"
        seen.append(path.exists())
        yield b"half"

    cache.add(path, chunks())
    assert seen == [False]


def test_old_parts_of_dead_processes_are_removed_and_new_parts_are_kept(cache):
    add(cache, "any")
    dead, alive = cache.folder / ".part-dead", cache.folder / ".part-alive"
    for part in (dead, alive):
        part.write_bytes(b"x")
    long_ago = time.time() - 4000
    os.utime(dead, (long_ago, long_ago))
    cache.trim()
    assert (dead.exists(), alive.exists()) == (False, True)


def test_other_files_in_the_folder_are_kept(cache):
    cache.folder.mkdir()
    theirs = cache.folder / "thesis.txt"
    theirs.write_bytes(b"x" * 1000)
    add(cache, "any")
    assert theirs.exists()


def fill(folder, worker):
    cache = FileCache(folder, max_bytes=1000)
    for n in range(40):
        path = cache.path(f"{n % 10}", "a")
        cache.add(path, [bytes([n % 10]) * 150])
        time.sleep(0)


def test_processes_share_the_folder_and_keep_files_intact_and_the_limit(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=fill, args=(tmp_path, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    cache = FileCache(tmp_path, max_bytes=1000)
    assert held(cache) <= cache.max_bytes
    for n in range(10):
        path = cache.path(str(n), "a")
        assert not path.exists() or path.read_bytes() == bytes([n]) * 150


def test_limit_and_folder_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LSML_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("LSML_CACHE_MAX_MB", "0.5")
    assert FileCache.from_environment() == FileCache(tmp_path, 512 * 1024)
    monkeypatch.delenv("LSML_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert FileCache.from_environment().folder == tmp_path / "lsml-files"


def test_the_error_for_an_unusable_folder_names_the_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="LSML_CACHE_DIR"):
        add(FileCache(tmp_path / "file" / "cache", 100), "any")
