"""Two hosts for training workers: network namespaces, connected to ours by a bridge.

They reach the database, the broker and S3 only by TCP, through forwarders on the
bridge. Taking a link down therefore cuts a host off completely, as between machines.
Needs root and `ip`.
"""

import asyncio
import os
import subprocess
import threading

from lsml.embedded.addresses import broker_socket, socket_folder
from tests.chaos.storage import S3

NETWORK = "10.77.91"
OURS = f"{NETWORK}.1"


class Hosts:
    """The bridge, the network namespaces and the forwarders."""

    names = ("training-1", "training-2")

    def __init__(self):
        self._bridge = f"chaos{os.getpid() % 10_000}"
        self.environment = {}  # addresses for the programs that run there
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def build(self):
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{OURS}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for number, name in enumerate(self.names):
            space, cable = self._space(name), self._cable(name)
            _ip("netns", "add", space)
            _ip("link", "add", cable, "type", "veth", "peer", "eth0", "netns", space)
            _ip("link", "set", cable, "master", self._bridge, "up")
            inside = ("-n", space)
            _ip(*inside, "addr", "add", f"{NETWORK}.{number + 2}/24", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "up")
            _ip(*inside, "link", "set", "lo", "up")

    def tear_down(self):
        for name in self.names:
            _ip("netns", "del", self._space(name), check=False)
        _ip("link", "del", self._bridge, check=False)

    def command(self, name, arguments):
        """Return the command that runs `arguments` on that host."""
        if name not in self.names:
            return arguments
        return ["ip", "netns", "exec", self._space(name), *arguments]

    def cut(self, name):
        """Take the link down: packets are dropped without an error."""
        _ip("link", "set", self._cable(name), "down")

    def restore(self, name):
        _ip("link", "set", self._cable(name), "up")

    def forward(self, target, *, delay_s=lambda: 0.0):
        """Forward a port on the bridge to a unix socket or a local port; return it.

        Args:
            target: The path of the socket, or the port.
            delay_s: Tells for how long what a client sends is held back.
        """
        serving = _serve(target, delay_s)
        server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        return server.sockets[0].getsockname()[1]

    def _space(self, name):
        return f"{self._bridge}-{name[-1]}"

    def _cable(self, name):
        return f"{self._bridge}v{name[-1]}"


def connect_hosts(hosts, folder, environment, broker, s3_port):
    """Give the hosts the addresses of the servers; use one S3 server everywhere."""
    database_port = hosts.forward(socket_folder(folder) / ".s.PGSQL.5432")
    rabbit = broker.name == "rabbitmq"
    broker_port = hosts.forward(broker.port if rabbit else broker_socket(folder))
    hosts.environment = {
        "DATABASE_URL": f"postgresql://postgres@{OURS}:{database_port}/lsml",
        "CELERY_BROKER_URL": f"amqp://guest:guest@{OURS}:{broker_port}//"
        if rabbit
        else f"redis://{OURS}:{broker_port}/0",
    }
    s3 = S3(folder, port=s3_port)
    s3.start()
    url = s3.url(OURS, hosts.forward(s3_port, delay_s=lambda: s3.delay_s))
    shared = {"ARTIFACT_STORAGE": url, **s3.environment}
    environment.update(shared)
    os.environ.update(shared)  # the ledger reads the artifacts, too
    return s3


async def _serve(target, delay_s):
    async def connect(reader, writer):
        try:
            if isinstance(target, int):
                far = await asyncio.open_connection("127.0.0.1", target)
            else:
                far = await asyncio.open_unix_connection(str(target))
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            _pump(reader, far[1], delay_s), _pump(far[0], writer, lambda: 0.0)
        )

    return await asyncio.start_server(connect, OURS, 0)


async def _pump(reader, writer, delay_s):
    try:
        while data := await reader.read(1 << 16):
            await asyncio.sleep(delay_s())
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def _ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, capture_output=not check)
