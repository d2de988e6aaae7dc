"""A model process takes over from the one of another container at the same path."""

import socket
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lsml.model_process.address import leads_here, own_socket, take_over


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
