"""A model process takes over from the one of another container at the same path."""

import os
import socket
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lsml.inference.serving.take_back import take_back
from lsml.model_process.address import (
    leads_here,
    listens,
    may_take_over,
    own_socket,
    remove_leftovers,
    take_over,
)


@pytest.fixture
def as_container(monkeypatch):
    def container(name):
        monkeypatch.setattr(socket, "gethostname", lambda: name)

    return container


@contextmanager
def listening(path):
    """Listen as gunicorn does, which removes its socket when it stops."""
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
        server.listen()
        server.setblocking(False)
        try:
            yield server
        finally:
            Path(path).unlink()


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


def test_new_connections_go_to_the_process_that_took_over_last(tmp_path, as_container):
    shared = str(tmp_path / "model.sock")
    as_container("old")
    with listening(own_socket(shared)) as old:
        take_over(shared)
        with connect(shared) as before:
            kept, _ = old.accept()
            as_container("new")
            with listening(own_socket(shared)) as new:
                # It is not ready yet.
                connect(shared).close()
                old.accept()[0].close()

                take_over(shared)
                connect(shared).close()
                new.accept()[0].close()
                with pytest.raises(BlockingIOError):
                    old.accept()
                # Whoever was connected before still is.
                before.sendall(b"?")
                assert kept.recv(1) == b"?"
                kept.close()


def test_the_old_process_takes_nothing_with_it(tmp_path, as_container):
    shared = str(tmp_path / "model.sock")
    as_container("old")
    old = listening(own_socket(shared))
    old.__enter__()
    take_over(shared)
    as_container("new")
    with listening(own_socket(shared)) as new:
        take_over(shared)
        old.__exit__(None, None, None)
        connect(shared).close()
        new.accept()[0].close()
    with pytest.raises(FileNotFoundError):
        connect(shared)


def test_a_restarted_container_knows_that_the_path_leads_to_it(tmp_path, as_container):
    shared = str(tmp_path / "model.sock")
    as_container("old")
    assert not leads_here(shared)
    with listening(own_socket(shared)):
        take_over(shared)
        assert leads_here(shared)
        as_container("new")
        assert not leads_here(shared)


def test_a_link_that_was_left_behind_is_no_obstacle(tmp_path, as_container):
    shared = str(tmp_path / "model.sock")
    as_container("crashed")
    Path(f"{own_socket(shared)}.new").symlink_to("nowhere")
    with listening(own_socket(shared)):
        take_over(shared)
        connect(shared).close()


def start(shared):
    """Do what a model process does that starts and loads nothing."""
    if may_take_over(shared):
        take_over(shared)


def test_an_old_container_that_restarts_leaves_the_path_to_the_new_one(
    tmp_path, as_container
):
    shared = str(tmp_path / "model.sock")
    as_container("old")
    with listening(own_socket(shared)):
        start(shared)
    as_container("new")
    with listening(own_socket(shared)):
        start(shared)
        assert leads_here(shared)
        as_container("old")
        with listening(own_socket(shared)):
            start(shared)
            as_container("new")
            assert leads_here(shared)


def test_an_old_container_that_restarts_answers_while_the_new_one_does_not(
    tmp_path, as_container
):
    shared = str(tmp_path / "model.sock")
    for name in ("old", "new"):
        as_container(name)
        with listening(own_socket(shared)):
            start(shared)
    as_container("old")
    with listening(own_socket(shared)):
        start(shared)
        assert leads_here(shared)
        as_container("new")
        with listening(own_socket(shared)):
            start(shared)
            assert leads_here(shared)


def test_the_old_process_takes_the_path_back_from_one_that_failed(
    tmp_path, as_container, monkeypatch
):
    shared = str(tmp_path / "model.sock")
    monkeypatch.setenv("MODEL_URL", f"unix://{shared}")
    as_container("old")
    with listening(own_socket(shared)) as old:
        start(shared)
        as_container("new")
        with listening(own_socket(shared)):
            start(shared)
        assert not listens(shared)
        as_container("old")
        assert take_back()
        connect(shared).close()
        old.accept()[0].close()
        # The next version takes over as usual.
        as_container("corrected")
        with listening(own_socket(shared)):
            start(shared)
            assert leads_here(shared)


def test_nothing_takes_the_path_back_without_a_process_that_listens(
    tmp_path, as_container, monkeypatch
):
    shared = str(tmp_path / "model.sock")
    monkeypatch.setenv("MODEL_URL", f"unix://{shared}")
    as_container("new")
    with listening(own_socket(shared)):
        start(shared)
        as_container("stopped")
        assert not take_back()
        as_container("new")
        assert leads_here(shared)


def test_an_http_address_needs_no_taking_back(monkeypatch):
    monkeypatch.setenv("MODEL_URL", "http://model:9091")
    assert take_back()


def old_file(path):
    minutes_ago = time.time() - 120
    os.utime(path, (minutes_ago, minutes_ago), follow_symlinks=False)


def left_behind(path):
    """Leave a socket behind, as a process does that is killed."""
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
    old_file(path)


def test_sockets_and_links_of_containers_that_are_gone_are_removed(
    tmp_path, as_container
):
    shared = str(tmp_path / "model.sock")
    as_container("killed")
    left_behind(own_socket(shared))
    Path(f"{own_socket(shared)}.new").symlink_to("nowhere")
    old_file(f"{own_socket(shared)}.new")
    as_container("new")
    with listening(own_socket(shared)) as new:
        old_file(own_socket(shared))
        take_over(shared)
        remove_leftovers(shared)
        names = {Path(own_socket(shared)).name, "model.sock", "model.order"}
        assert {path.name for path in tmp_path.iterdir()} == names
        connect(shared).close()
        new.accept()[0].close()


def test_a_socket_of_a_process_that_starts_is_left_alone(tmp_path, as_container):
    shared = str(tmp_path / "model.sock")
    as_container("starts")
    left_behind(own_socket(shared))
    os.utime(own_socket(shared))  # bound just now: it listens in a moment
    remove_leftovers(shared)
    assert Path(own_socket(shared)).exists()


def test_files_of_others_are_left_alone(tmp_path, as_container):
    shared = str(tmp_path / "model.sock")
    for name in ("model.sock.backup", "background-model.sock.a1b2c3", "valkey.sock"):
        left_behind(str(tmp_path / name))
    remove_leftovers(shared)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_process_listens_whose_queue_of_connections_is_full(tmp_path):
    path = str(tmp_path / "model.sock")
    waiting = []
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
        server.listen(0)
        for _ in range(3):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        else:
            pytest.fail("the queue is not full")
        assert listens(path)
        for client in waiting:
            client.close()
    assert not listens(path)


@pytest.mark.parametrize(
    "damage", [lambda file: file.write_bytes(b"\xff\xfe\0"), Path.mkdir]
)
def test_a_damaged_order_stops_nobody(tmp_path, as_container, damage):
    shared = str(tmp_path / "model.sock")
    damage(tmp_path / "model.order")
    as_container("new")
    with listening(own_socket(shared)):
        assert may_take_over(shared)
        take_over(shared)
        assert leads_here(shared)
