"""Holds slow connections to the web processes, and asks two endpoints meanwhile.

    .venv/bin/python -m benchmarks.slow_clients [--seconds 60] [--connections 300]

A quarter of the connections are idle, a quarter drip headers, a quarter stop in the
middle of a header and a quarter drip a body, all without credentials. Then 32 clients
with credentials drip bodies: half short ones, half such that their first megabyte is
sent at once. A connection that the server closes is opened again, as an attacker would.
"""

import argparse
import base64
import http.client
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lsml.embedded import addresses
from lsml.embedded.servers import running
from tests.chaos.servers import free_port

PROJECT = Path(__file__).resolve().parent.parent
WEBHOOK = json.dumps(
    json.loads(
        (PROJECT / "tests/protocol/webhook/annotation_created.json").read_text()
    )["request"]
).encode()
PASSWORD = "slow-clients"
BASIC = "Basic " + base64.b64encode(f"label-studio:{PASSWORD}".encode()).decode()
MEGABYTE = 1024 * 1024


@contextmanager
def web_process(folder: Path, **environment: str):
    """Run servers and gunicorn as in production; yield the port."""
    port = free_port()
    with running(folder / "servers", durable=False):
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "slow-" + "x" * 60,
            "HTTPS": "false",
            "LOG_LEVEL": "WARNING",
            "DATABASE_URL": addresses.database_url(folder / "servers"),
            "CELERY_BROKER_URL": addresses.broker_url(folder / "servers"),
            "LSML_DATA_DIR": str(folder),
            "LSML_PROCESS": "web",
            "BASIC_AUTH_USER": "label-studio",
            "BASIC_AUTH_PASS": PASSWORD,
            "PORT": str(port),
            **environment,
        }
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=PROJECT, env=environment, check=True)
        with (folder / "web.log").open("ab") as log:
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn"),
                    *("-c", "config/gunicorn.py", "config.wsgi"),
                ],
                cwd=PROJECT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()
            server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while ask(port, "/webhook").status != http.HTTPStatus.OK:
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing answers at port {port}")
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status (0 = nothing within the timeout) and seconds."""

    path: str
    status: int
    took_s: float


def ask(port: int, path: str, timeout_s: float = 10) -> Answer:
    """Send a GET to `/live`, or post an event to `/webhook`, on a new connection."""
    body = WEBHOOK if path == "/webhook" else None
    headers = {"Content-Type": "application/json", "Authorization": BASIC}
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    status = 0
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST" if body else "GET", path, body, headers)
        response = connection.getresponse()
        response.read()
        status = response.status
    connection.close()
    return Answer(path, status, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Slow:
    """A kind of slow client: what it sends at once, and what it sends each second."""

    at_once: bytes
    drip: bytes = b""


def _post(length: int, *, credentials: bool) -> bytes:
    lines = [
        "POST /webhook HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *([f"Authorization: {BASIC}"] if credentials else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


STRANGERS = [
    Slow(b""),
    Slow(b"GET /live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"x"),
    Slow(b"POST /webhook HTTP/1.1\r\nHost: loc"),
    Slow(_post(5000, credentials=False), b" "),
]
KNOWN = [
    Slow(_post(5000, credentials=True), b" "),
    Slow(_post(2 * MEGABYTE, credentials=True) + b" " * (MEGABYTE + 10), b" "),
]


@dataclass
class Attack:
    """Connections held by one thread, until `stop()`."""

    port: int
    clients: list[Slow]
    opened: int = 0
    closed: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Attack":
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _hold(self) -> None:
        with selectors.DefaultSelector() as poller:
            for client in self.clients:
                self._open(poller, client)
            while not self._stopping.is_set():
                next_drip = time.monotonic() + 1
                while (left := next_drip - time.monotonic()) > 0:
                    for key, events in poller.select(left):
                        self._on_event(poller, key, events)
                self._drip(poller)
            for key in list(poller.get_map().values()):
                key.fileobj.close()

    def _open(self, poller, client: Slow) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", self.port))
        self.opened += 1
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        poller.register(sock, both, [client, client.at_once])

    def _on_event(self, poller, key, events) -> None:
        client, unsent = key.data
        try:
            if events & selectors.EVENT_WRITE:
                sent = key.fileobj.send(unsent) if unsent else 0
                key.data[1] = unsent[sent:]
                if not key.data[1]:
                    poller.modify(key.fileobj, selectors.EVENT_READ, key.data)
            ended = events & selectors.EVENT_READ and not key.fileobj.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            poller.unregister(key.fileobj)
            key.fileobj.close()
            self.closed += 1
            self._open(poller, client)

    def _drip(self, poller) -> None:
        for key in list(poller.get_map().values()):
            client, unsent = key.data
            if client.drip and not unsent:
                with suppress(OSError):
                    key.fileobj.send(client.drip)


def answers_during(
    port: int, clients: list[Slow], *, seconds: float, every_s: float = 0.25
) -> tuple[list[Answer], Attack]:
    """Ask both paths in turn while the clients hold their connections."""
    answers = []
    with Attack(port, clients) as attack:
        time.sleep(1)  # all connections are open
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            answers += [ask(port, "/live"), ask(port, "/webhook")]
            time.sleep(every_s)
    return answers, attack


def strangers(connections: int) -> list[Slow]:
    """Return the four kinds of clients without credentials, in equal parts."""
    return STRANGERS * (connections // len(STRANGERS))


def known(connections: int) -> list[Slow]:
    """Return clients with credentials that drip bodies."""
    return KNOWN * (connections // len(KNOWN))


def main() -> None:
    """Hold both groups of connections and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=300)
    args = parser.parse_args()
    groups = {
        "without credentials": strangers(args.connections),
        "with credentials": known(32),
    }
    print(
        "connections              path      within 1 s   median      slowest   closed"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        web_process(Path(folder)) as port,
    ):
        for name, clients in groups.items():
            answers, attack = answers_during(port, clients, seconds=args.seconds)
            for path in ("/live", "/webhook"):
                mine = [each for each in answers if each.path == path]
                _print(f"{len(clients)} {name}", path, mine, attack)


def _print(name: str, path: str, answers: list[Answer], attack: Attack) -> None:
    times = [each.took_s for each in answers]
    good = sum(each.status == 200 and each.took_s < 1 for each in answers)
    print(
        f"{name:24} {path:9} {good:4} of {len(answers):4}"
        f" {statistics.median(times) * 1000:8.1f} ms {max(times) * 1000:9.1f} ms"
        f" {attack.closed:6}",
        flush=True,
    )


if __name__ == "__main__":
    main()
