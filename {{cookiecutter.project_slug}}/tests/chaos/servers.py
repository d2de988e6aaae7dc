"""PostgreSQL and the brokers, as servers that can be killed and restarted."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from lsml.embedded.addresses import broker_socket, broker_url, database_url
from lsml.embedded.postgres import Postgres
from lsml.embedded.valkey import Valkey
from tests.chaos.background import send


class Database:
    """The embedded PostgreSQL, durable as in production."""

    name = "postgres"

    def __init__(self, folder: Path):
        self.url = database_url(folder)
        self._server = Postgres(folder, durable=True, say=lambda _: None)
        self._frozen = []

    def start(self):
        self._server.start()

    def stop(self):
        self._server.stop()

    def kill(self):
        """Send SIGKILL to the postmaster; its children notice and exit."""
        os.kill(self.pid(), signal.SIGKILL)

    def freeze(self):
        """Stop every process of the server, the postmaster first."""
        postmaster = self.pid()
        send([postmaster], signal.SIGSTOP)
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
        self._frozen = [postmaster, *map(int, children.split())]
        send(self._frozen, signal.SIGSTOP)

    def thaw(self):
        send(reversed(self._frozen), signal.SIGCONT)

    def pid(self):
        """Return the postmaster's process id."""
        return int((self._server.folder / "postmaster.pid").read_text().split()[0])


class ValkeyBroker:
    """The embedded broker; it loses all messages when it ends."""

    name = "valkey"

    def __init__(self, folder: Path):
        self._server = Valkey(folder, say=lambda _: None)
        self._socket = str(broker_socket(folder))
        self.url = broker_url(folder)

    def start(self):
        self._server.start()

    def stop(self):
        self._server.stop()

    def kill(self):
        self._send(signal.SIGKILL)

    def freeze(self):
        """Let it accept connections and never answer."""
        self._send(signal.SIGSTOP)

    def thaw(self):
        self._send(signal.SIGCONT)

    def _send(self, number):
        send(_pids_with(self._socket, "valkey-server"), number)


class RabbitBroker:
    """The installed RabbitMQ, as a separate node."""

    name = "rabbitmq"

    def __init__(self, folder: Path, *, settings: str = ""):
        self._home = folder / "rabbitmq"
        self._home.mkdir(parents=True, exist_ok=True)
        (self._home / "rabbitmq.conf").write_text(settings)
        (self._home / "enabled_plugins").write_text("[].")
        self.port = free_port()
        self._node = f"chaos{self.port}@localhost"
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.environment = os.environ | {
            "HOME": str(self._home),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._home / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._home / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._home / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self._home / "pid"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self._process = None
        # Debian's wrapper changes the user; the program itself does not.
        self._program = "/usr/lib/rabbitmq/bin/rabbitmq-server"

    @staticmethod
    def available():
        return shutil.which("rabbitmq-server") is not None

    def queues(self, column):
        """Return a numeric column of rabbitmqctl's list of queues, by queue name."""
        control = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "-n", self._node]
        listed = subprocess.run(
            [*control, "--no-table-headers", "list_queues", "name", column],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = (line.split() for line in listed.splitlines())
        return {name: int(value) for name, value in rows}

    def start(self):
        if self._process is not None and self._process.poll() is None:
            return
        with (self._home / "output").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 180  # a busy machine
        while not _listens(self.port):
            if time.monotonic() > deadline or self._process.poll() is not None:
                output = (self._home / "output").read_text()[-2000:]
                raise RuntimeError(f"RabbitMQ does not start: {output}")
            time.sleep(0.2)

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def freeze(self):
        send(_pids_with(self._node, "beam"), signal.SIGSTOP)

    def thaw(self):
        send(_pids_with(self._node, "beam"), signal.SIGCONT)

    def _end(self, number):
        if self._process is None:
            return
        send(_pids_with(self._node, "beam"), number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


def start_servers(folder, database, broker):
    from lsml.embedded.folders import prepare_folders

    prepare_folders(folder)
    database.start()
    broker.start()


def migrate():
    """Start Django in this process, with the settings of the service, and migrate."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def free_port():
    """Return a port that no other process gets before this one ends.

    It stays bound. A server that sets SO_REUSEADDR, as servers do, can listen at it.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    bound.detach()  # so that it is not closed
    return port


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)):
            return False
        probe.sendall(b"AMQP\0\0\x09\x01")
        try:
            return bool(probe.recv(8))
        except OSError:
            return False


def _pids_with(*words):
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes()
        except OSError:
            continue
        if all(word.encode() in line for word in words):
            found.append(int(file.parent.name))
    return found
