"""A whole request to Label Studio has a time limit, however slowly bytes come."""

import socket
import threading
from contextlib import contextmanager
from itertools import count

import pytest

from lsml.labelstudio import api, client
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import OutcomeUnknown, Unreachable

LIMIT_S = 0.4
PAUSE_S = 0.05
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FAST = HEAD + b"Content-Length: 2\r\n\r\n{}"
BODY = b" " * 30 + b'{"created": 1, "deleted_predictions": 1}'
LARGE = 20_000_000  # more than fits into the buffers of the two sockets
PADDED = b"X-Padding: " + b"." * 60 + b"\r\n"


def drip(connection, parts):
    for part in parts:
        connection.sendall(part)
        gone.wait(PAUSE_S)


gone = threading.Event()


def slow_head(connection):
    drip(connection, [bytes([each]) for each in HEAD + PADDED])
    connection.sendall(b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)


def slow_body(connection):
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY))
    drip(connection, [bytes([each]) for each in BODY])


def slow_body_until_closed(connection):
    connection.sendall(HEAD + b"Connection: close\r\n\r\n" + b'{"created": 1}')
    drip(connection, [b" "] * 60)


def slow_chunks(connection):
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    drip(connection, [b"1\r\n%c\r\n" % each for each in BODY])
    connection.sendall(b"0\r\n\r\n")


def slow_redirect(connection):
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /api/again\r\n"
    gone.wait(LIMIT_S * 0.7)
    connection.sendall(head + b"\r\n")


def at_once(connection):
    connection.sendall(FAST)


def slow_reading(connection):
    for _ in range(40):
        connection.recv(4096)
        gone.wait(PAUSE_S)
    read = 0
    while not gone.is_set() and read < LARGE - 200_000:
        read += len(connection.recv(100_000))
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)


@contextmanager
def server(*answers):
    """Answer the first request with the first answer, and so on; the last goes on."""
    listening = socket.create_server(("127.0.0.1", 0))
    gone.clear()
    numbers = count()

    def serve(connection):
        with connection:
            try:
                while connection.recv(100_000):
                    answers[min(next(numbers), len(answers) - 1)](connection)
            except OSError:
                pass

    def accept():
        while not gone.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        gone.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch):
    monkeypatch.setattr(api, "TIMEOUT_S", LIMIT_S)
    for name in ("_PAGE_TIMEOUT_S", "_TEST_PREDICTION_TIMEOUT_S", "IMPORT_TIMEOUT_S"):
        monkeypatch.setattr(client, name, LIMIT_S)


def studio(url):
    return LabelStudio(url=url, api_key="0123456789abcdef")


SLOW = [slow_head, slow_body, slow_body_until_closed, slow_chunks]


@pytest.mark.parametrize("answer", SLOW)
def test_an_answer_that_never_ends_is_given_up(answer):
    with server(answer) as url, pytest.raises(Unreachable, match=r"within 0\.4 s"):
        studio(url).project(1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda studio: studio.tasks(1, {}, page_size=1),
        lambda studio: studio.backends(1),
        lambda studio: studio.test_prediction(1),
    ],
    ids=["tasks", "list", "test"],
)
def test_each_kind_of_request_has_a_limit(ask):
    with server(slow_body) as url, pytest.raises(Unreachable, match="within"):
        ask(studio(url))


@pytest.mark.parametrize("answer", SLOW)
def test_after_an_import_whose_answer_never_ends_its_outcome_is_unknown(answer):
    with server(answer) as url, pytest.raises(OutcomeUnknown, match=r"within 0\.4 s"):
        studio(url).import_predictions(1, b"[]")


def test_after_a_removal_whose_answer_never_ends_its_outcome_is_unknown():
    with server(slow_body) as url, pytest.raises(OutcomeUnknown, match="within"):
        studio(url).delete_predictions(1, "v")


def test_a_body_that_is_read_too_slowly_is_given_up():
    with server(slow_reading) as url, pytest.raises(OutcomeUnknown, match="within"):
        studio(url).import_predictions(1, b" " * LARGE)


@pytest.mark.slow
def test_a_request_that_follows_another_has_a_limit_too(monkeypatch):
    monkeypatch.setattr(api, "TIMEOUT_S", 2.0)  # not for the first one
    with server(at_once, slow_body) as url:
        asking = studio(url)
        assert asking.project(1) == {}
        with pytest.raises(Unreachable, match="within"):
            asking.project(1)


def test_redirects_do_not_extend_the_limit():
    with server(slow_redirect) as url, pytest.raises(Unreachable, match="within"):
        studio(url).project(1)


def test_nothing_is_left_of_a_request_that_ended(monkeypatch):
    monkeypatch.setattr(api, "TIMEOUT_S", 60.0)
    with server(at_once) as url:
        studio(url).project(1)
        timers = [each for each in threading.enumerate() if "Timer" in each.name]
        for each in timers:
            each.join(5)
    assert not any(each.is_alive() for each in timers)
