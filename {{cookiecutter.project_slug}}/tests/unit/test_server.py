"""The worker of gunicorn that receives requests before a thread gets them."""

import json
import logging
import os
import re
import selectors
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from hypothesis import given
from hypothesis import strategies as st

from lsml.api import incoming, outgoing, server
from lsml.api.server import BufferingWorker

LARGE = 16 * 1024 * 1024


class App:
    """Answers what it received. `/…wait` and `/predict` wait until `go` is set.

    `/large` and `/file` answer with many bytes, in pieces and as a file.
    """

    def __init__(self):
        self.go = threading.Event()
        self.started = threading.Event()

    def __call__(self, environ, start_response):
        status = "200 OK"
        body = b""
        if environ["PATH_INFO"] in {"/large", "/file"}:
            start_response(status, [("Content-Length", str(LARGE))])
            if environ["PATH_INFO"] == "/large":
                return [b"x" * (LARGE // 64)] * 64
            file = tempfile.TemporaryFile()  # noqa: SIM115 (gunicorn closes it)
            file.truncate(LARGE)
            return environ["wsgi.file_wrapper"](file)
        if environ["PATH_INFO"] in {"/wait", "/predict"}:
            self.wait()
        if environ["PATH_INFO"] != "/refuse":
            try:
                body = environ["wsgi.input"].read()
            except TimeoutError:
                status = "408 Request Timeout"
        if environ["PATH_INFO"] == "/read-and-wait":
            self.wait()
        seen = [environ["REQUEST_METHOD"], environ["PATH_INFO"], body.decode("latin-1")]
        answer = json.dumps(seen).encode()
        start_response(status, [("Content-Length", str(len(answer)))])
        return [answer]

    def wait(self):
        self.started.set()
        self.go.wait(20)


@contextmanager
def running_worker(**changes):
    config = Config()
    for name, value in ({"threads": 2, "keepalive": 15} | changes).items():
        config.set(name, value)
    log = Logger(config)
    log.error_log.setLevel(logging.CRITICAL)
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        worker = BufferingWorker(1, os.getppid(), [listener], None, 30, config, log)
        worker.wsgi = worker.answering = App()
        worker.port = listener.getsockname()[1]
        worker.tpool = worker.get_thread_pool()
        worker.poller = selectors.DefaultSelector()
        worker.method_queue.init()
        worker.loop = threading.Thread(target=worker.run)
        worker.loop.start()
        try:
            yield worker
        finally:
            worker.answering.go.set()
            worker.handle_exit(None, None)
            worker.loop.join(10)
            worker.tmp.close()
    assert not worker.loop.is_alive()


@pytest.fixture(scope="module", autouse=True)
def bodies_above_1000_bytes_are_read_in_threads():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incoming, "BODY_BUFFER_MAX", 1000)
        yield


@pytest.fixture(scope="module")
def shared_worker():
    with running_worker(threads=4, worker_connections=1000) as worker:
        yield worker


@contextmanager
def connected(worker, sent=b"", timeout=5):
    with socket.create_connection(("127.0.0.1", worker.port), timeout) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(sent)
        yield sock


def read_to_end(sock):
    received = b""
    try:
        while data := sock.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return re.sub(rb"Date: [^\r]+\r\n", b"", received)


def request(path="/", body=None, *, method="POST", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def chunked(path, body):
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return request(path, headers=["Transfer-Encoding: chunked"]) + chunk + b"0\r\n\r\n"


LAST = request("/last", method="GET", headers=["Connection: close"])

bodies = st.binary(max_size=40) | st.binary(min_size=1, max_size=40).map(
    lambda part: (part * 3000)[:3000]
)
requests = st.one_of(
    st.just(request("/get", method="GET")),
    st.just(b"\r\n" + request("/after-empty-line", method="GET")),
    bodies.map(lambda body: request("/post", body)),
    bodies.map(lambda body: request("/expect", body, headers=["Expect: 100-continue"])),
    bodies.map(lambda body: chunked("/chunked", body)),
)


@given(data=st.data(), sequence=st.lists(requests, max_size=4))
def test_answers_do_not_depend_on_how_the_bytes_are_cut(shared_worker, data, sequence):
    sent = b"".join(sequence) + LAST
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=8).map(sorted))
    with connected(shared_worker, sent) as sock:
        whole = read_to_end(sock)

    with connected(shared_worker) as sock:
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            sock.sendall(sent[start:end])
            time.sleep(0.001)
        pieces = read_to_end(sock)

    assert pieces == whole
    assert whole.count(b"HTTP/1.1 200 OK") == len(sequence) + 1


def test_a_request_sent_byte_by_byte_is_answered(shared_worker):
    with connected(shared_worker) as sock:
        for byte in request("/post", b"0123456789") + LAST:
            sock.sendall(bytes([byte]))
        answer = read_to_end(sock)

    assert b'["POST", "/post", "0123456789"]' in answer
    assert b'["GET", "/last", ""]' in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /\r\n\r\n", 400),
        (request(body=b"x", headers=["Content-Length: 3"]), 400),
        (request(headers=["Content-Length: x"]), 400),
        (request(headers=["Content-Length: " + "9" * 5000]), 400),
        (request(body=b"x", headers=["Transfer-Encoding: chunked"]), 400),
        (request(body=b"x", headers=["Transfer-Encoding: gzip, chunked"]), 400),
        (request(headers=["Expect: a miracle"]), 417),
        (request("/" + "x" * 5000), 414),
        (request(headers=["X-Long: " + "x" * 9000]), 431),
        (b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 900_000, 431),
    ],
)
def test_malformed_requests_are_refused_in_the_shape_of_errors(
    shared_worker, sent, status
):
    with connected(shared_worker, sent) as sock:
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert_has_the_shape_of_errors(answer)


def assert_has_the_shape_of_errors(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)
    assert set(error) == {"detail", "code", "field", "request_id"}
    assert error["detail"]
    assert f"X-Request-ID: {error['request_id']}".encode() in head


def test_slow_clients_occupy_no_thread():
    slow = [b"", b"GET / HT", request(), request(body=b"x" * 100)[:-50]] * 5
    slow[2::4] = [b"POST / HTTP/1.1\r\nX-Slow: "] * 5
    with running_worker(threads=1) as worker, ExitStack() as stack:
        for sent in slow:
            stack.enter_context(connected(worker, sent))
        with connected(worker, LAST) as sock:
            assert b"200 OK" in read_to_end(sock)


def test_a_header_that_takes_too_long_is_not_answered(monkeypatch):
    monkeypatch.setattr(incoming, "HEADER_S", 0.3)
    with running_worker() as worker, connected(worker, b"GET / HTTP/1.1\r\n") as sock:
        assert read_to_end(sock) == b""


def test_a_body_that_takes_too_long_is_answered_with_408(monkeypatch):
    monkeypatch.setattr(incoming, "BODY_S", 0.3)
    sent = request(body=b"x" * 100)[:-1]
    with running_worker() as worker, connected(worker, sent) as sock:
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
        assert_has_the_shape_of_errors(answer)


@pytest.mark.slow
def test_a_body_may_take_longer_the_more_of_it_has_arrived(monkeypatch):
    monkeypatch.setattr(incoming, "BODY_S", 0.0)
    monkeypatch.setattr(incoming, "BODY_BYTES_PER_S", 100)
    body = b"x" * 900
    sent = request("/post", body)[:-1]
    with running_worker() as worker, connected(worker, sent) as sock:
        time.sleep(2)
        sock.sendall(b"x" + LAST)
        assert read_to_end(sock).count(b"200 OK") == 2


def test_an_idle_connection_is_closed_after_keepalive():
    with running_worker(keepalive=1) as worker, connected(worker) as sock:
        assert read_to_end(sock) == b""
        assert worker.nr_conns == 0


def test_reading_the_rest_of_a_long_body_has_a_deadline(monkeypatch):
    monkeypatch.setattr(incoming, "BODY_S", 0.5)
    sent = request(body=b"x" * 3000)[:-1]
    with running_worker() as worker, connected(worker, sent) as sock:
        assert read_to_end(sock).startswith(b"HTTP/1.1 408 Request Timeout")


def test_a_refused_request_does_not_wait_for_the_rest_of_its_body():
    sent = request("/refuse", b"x" * 3000)[:-1]
    with running_worker() as worker, connected(worker, sent) as sock:
        assert read_to_end(sock).startswith(b"HTTP/1.1 200 OK")


def test_a_connection_can_be_reused_after_a_long_body_that_was_not_read(monkeypatch):
    monkeypatch.setattr(incoming, "BODY_BUFFER_MAX", 1024 * 1024)
    sent = request("/refuse", b"x" * 500_000)
    with running_worker() as worker, connected(worker, sent) as sock:
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK")
        sock.sendall(LAST)
        assert b"/last" in read_to_end(sock)


def test_the_answer_to_a_longer_body_announces_that_its_connection_closes():
    sent = request("/refuse", b"x" * 2_000_000)
    with running_worker() as worker, connected(worker, sent) as sock:
        assert b"Connection: close" in read_to_end(sock)


def test_a_quarter_of_the_threads_reads_long_bodies():
    long = request("/long", b"x" * 3000, headers=["Connection: close"])
    with running_worker(threads=4) as worker, ExitStack() as stack:
        first, second = (
            stack.enter_context(connected(worker, long[:-1])) for _ in range(2)
        )
        with connected(worker, LAST) as sock:
            assert b"200 OK" in read_to_end(sock)
        second.sendall(b"x")
        second.settimeout(0.3)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.sendall(b"x")
        second.settimeout(5)
        assert b"200 OK" in read_to_end(first)
        assert b"200 OK" in read_to_end(second)


def test_a_long_body_that_has_arrived_no_longer_counts_as_being_read():
    close = ["Connection: close"]
    with running_worker(threads=4) as worker, ExitStack() as stack:
        read_and_wait = request("/read-and-wait", b"x" * 3000, headers=close)
        waiting = stack.enter_context(connected(worker, read_and_wait))
        assert worker.answering.started.wait(20)
        with connected(worker, request("/long", b"x" * 3000, headers=close)) as sock:
            assert b"200 OK" in read_to_end(sock)
        worker.answering.go.set()
        assert b"200 OK" in read_to_end(waiting)


def test_if_the_buffers_are_full_the_largest_request_is_refused(monkeypatch):
    monkeypatch.setattr(server, "BUFFERS_MAX", 1500)
    large = request(body=b"x" * 900)[:-1]
    with running_worker() as worker, connected(worker, large) as sock:
        with connected(worker, request("/post", b"x" * 700) + LAST) as other:
            assert read_to_end(other).count(b"200 OK") == 2
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable")
        assert_has_the_shape_of_errors(answer)
        assert worker.buffered == 0


def test_with_too_many_connections_the_longest_waiting_one_is_closed():
    with running_worker(worker_connections=10) as worker, ExitStack() as stack:
        held = [stack.enter_context(connected(worker)) for _ in range(30)]
        with connected(worker, LAST) as sock:
            assert b"200 OK" in read_to_end(sock)
        assert read_to_end(held[0]) == b""
        assert worker.nr_conns < 10


def test_a_client_that_does_not_close_does_not_hold_up_the_others():
    with running_worker() as worker, ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connected(worker, LAST))
        with connected(worker, LAST) as sock:
            assert b"200 OK" in read_to_end(sock)


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(shared_worker):
    sent = request("/post", b"abc", headers=["Expect: 100-continue"])
    with connected(shared_worker, sent[:-3]) as sock:
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc" + LAST)
        assert b'"abc"' in read_to_end(sock)


@pytest.mark.slow
def test_a_stopping_worker_answers_its_requests_and_closes_the_others():
    with running_worker() as worker, ExitStack() as stack:
        idle = stack.enter_context(connected(worker))
        half = stack.enter_context(connected(worker, request(body=b"xx")[:-1]))
        busy = stack.enter_context(connected(worker, request("/wait", method="GET")))
        assert worker.answering.started.wait(20)
        worker.handle_exit(None, None)
        assert read_to_end(idle) == b""
        assert read_to_end(half).startswith(b"HTTP/1.1 408")
        worker.answering.go.set()
        assert b"200 OK" in read_to_end(busy)


@pytest.mark.parametrize(
    "line",
    [
        b"POST /predict ",
        b"POST /predict?x=1 ",
        b"\r\nPOST /predict ",
        b"POST http://localhost/predict ",
        b"POST /%70redic%74 ",
        b"POST /predict#x ",
    ],
)
def test_predictions_leave_threads_for_other_requests(monkeypatch, line):
    monkeypatch.setenv("WEB_PREDICT_THREADS", "1")
    with running_worker(threads=2) as worker, ExitStack() as stack:
        predict = request("/predict", b"{}", headers=["Connection: close"])
        predict = predict.replace(b"POST /predict ", line)
        predicting = [stack.enter_context(connected(worker, predict)) for _ in range(3)]
        assert worker.answering.started.wait(20)
        with connected(worker, request("/webhook", b"{}") + LAST) as sock:
            assert b"/webhook" in read_to_end(sock)
        worker.answering.go.set()
        assert all(b"200 OK" in read_to_end(sock) for sock in predicting)


@contextmanager
def connected_without_reading(worker):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", worker.port))
        yield sock


@pytest.mark.slow
def test_clients_that_send_requests_and_read_no_answers_occupy_no_thread():
    many = request("/" + "x" * 3000, method="GET") * 16
    with running_worker(threads=4) as worker, ExitStack() as stack:
        socks = [
            stack.enter_context(connected_without_reading(worker)) for _ in range(16)
        ]
        for sock in socks:
            sock.settimeout(0)
        closed = set()
        give_up = time.monotonic() + 30
        while len(closed) < len(socks) and time.monotonic() < give_up:
            for sock in socks:
                try:
                    sock.send(many)
                except BlockingIOError:
                    pass
                except OSError:
                    closed.add(sock)
            time.sleep(0.001)
        with connected(worker, LAST) as sock:
            assert b"200 OK" in read_to_end(sock)
        assert len(closed) == len(socks)


@pytest.mark.parametrize("path", ["/large", "/file"])
def test_an_answer_that_nobody_reads_frees_its_thread(monkeypatch, path):
    monkeypatch.setattr(outgoing, "ANSWER_S", 0.5)
    monkeypatch.setattr(outgoing, "ANSWER_BYTES_PER_S", 1024**3)
    with running_worker(threads=1) as worker, ExitStack() as stack:
        sock = stack.enter_context(connected_without_reading(worker))
        sock.sendall(request(path, method="GET"))
        with connected(worker, LAST) as other:
            assert b"200 OK" in read_to_end(other)


def test_an_answer_that_is_read_drop_by_drop_frees_its_thread(monkeypatch):
    monkeypatch.setattr(outgoing, "ANSWER_S", 0.5)
    monkeypatch.setattr(outgoing, "ANSWER_BYTES_PER_S", 1024**3)
    with running_worker(threads=1) as worker, ExitStack() as stack:
        sock = stack.enter_context(connected_without_reading(worker))
        sock.sendall(request("/large", method="GET"))
        other = stack.enter_context(connected(worker, LAST, timeout=0.01))
        give_up = time.monotonic() + 20
        answer = b""
        while not answer and time.monotonic() < give_up:
            sock.recv(1024)
            with suppress(TimeoutError):
                answer = other.recv(1024)
        assert b"200 OK" in answer


@pytest.mark.slow
def test_an_answer_may_take_longer_the_larger_it_is(monkeypatch):
    monkeypatch.setattr(outgoing, "ANSWER_S", 0.1)
    monkeypatch.setattr(outgoing, "ANSWER_BYTES_PER_S", 512 * 1024)
    with running_worker() as worker, connected_without_reading(worker) as sock:
        sock.settimeout(5)
        sock.sendall(request("/large", method="GET", headers=["Connection: close"]))
        size = 0
        while data := sock.recv(65536):
            size += len(data)
            time.sleep(len(data) / (4 * 1024 * 1024))
    assert size > LARGE


def answer_to(sock, sent):
    """Send a request on a kept connection, and return the body of its answer."""
    sock.sendall(sent)
    received = b""
    while not received.endswith(b"]"):  # the app answers with a list
        received += sock.recv(65536)
    return received.partition(b"\r\n\r\n")[2]


def test_requests_that_follow_each_other_share_a_thread(monkeypatch):
    monkeypatch.setattr(server, "_STAY_MS", 5000)
    through_the_loop = []
    enqueue = BufferingWorker.enqueue_req

    def count(worker, conn):
        through_the_loop.append(conn)
        enqueue(worker, conn)

    monkeypatch.setattr(BufferingWorker, "enqueue_req", count)
    with running_worker() as worker, connected(worker) as sock:
        for number in range(50):
            answer = answer_to(sock, request(f"/{number}", b"x"))
            assert json.loads(answer) == ["POST", f"/{number}", "x"]
    assert len(through_the_loop) == 1


def test_half_of_a_next_request_keeps_no_thread():
    with running_worker(threads=2) as worker, ExitStack() as stack:
        for _ in range(10):
            sock = stack.enter_context(connected(worker))
            answer_to(sock, request("/first", b"x"))
            sock.sendall(request("/second", b"y")[:-3])
        with connected(worker, LAST) as other:
            assert b"/last" in read_to_end(other)


def test_a_prediction_after_another_request_counts_as_a_prediction(monkeypatch):
    monkeypatch.setenv("WEB_PREDICT_THREADS", "1")
    with running_worker(threads=2) as worker, ExitStack() as stack:
        stack.enter_context(connected(worker, request("/predict", b"{}")))
        assert worker.answering.started.wait(20)
        sock = stack.enter_context(connected(worker))
        answer_to(sock, request("/first", b"x"))
        sock.sendall(request("/predict", b"{}"))  # waits, without a thread
        with connected(worker, LAST) as other:
            assert b"/last" in read_to_end(other)


def test_every_byte_and_connection_is_accounted_for(shared_worker):
    deadline = time.monotonic() + 20
    while shared_worker.nr_conns and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shared_worker.nr_conns == 0
    assert shared_worker.buffered == 0
    assert not shared_worker.readers.in_threads
    assert not shared_worker.predictions.in_threads
    assert not shared_worker.in_threads
