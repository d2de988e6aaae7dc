"""Network namespaces that stand for hosts, on one bridge. Needs root and `ip`."""

import os
import signal
import subprocess
from pathlib import Path

NETWORK = "10.77.92"
DOMAIN = "example.net"


class Network:
    """The hosts and the processes that run on them."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._id = f"hosts{os.getpid() % 10_000}"
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Network":
        _ip("link", "add", self._id, "type", "bridge")
        _ip("addr", "add", f"{NETWORK}.1/24", "dev", self._id)
        _ip("link", "set", self._id, "up")
        for number, name in enumerate(self._names):
            self._add(name, number)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._running):
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
        for name in self._names:
            _ip("netns", "delete", self._space(name), check=False)
            for file in Path("/etc/netns", self._space(name)).glob("*"):
                file.unlink()
            Path("/etc/netns", self._space(name)).rmdir()
        _ip("link", "delete", self._id, check=False)

    def address(self, name: str) -> str:
        """Return the IP address of a host."""
        return f"{NETWORK}.{self._names.index(name) + 2}"

    def run(self, name: str, *command: str, **options: object) -> None:
        """Run a command on a host, and wait until it succeeded."""
        subprocess.run([*self._on(name), *command], check=True, **options)  # type: ignore[call-overload]

    def start(
        self, name: str, command: list[str], log: Path, **options: object
    ) -> None:
        """Start a process on a host. It is stopped at the end."""
        with log.open("ab") as file:
            process = subprocess.Popen(  # type: ignore[call-overload]
                [*self._on(name), *command], stdout=file, stderr=file, **options
            )
        self._running.append(process)

    def _on(self, name: str) -> list[str]:
        return ["ip", "netns", "exec", self._space(name)]

    def _space(self, name: str) -> str:
        return f"{self._id}-{name}"

    def _add(self, name: str, number: int) -> None:
        space, cable = self._space(name), f"{self._id}v{number}"
        # `ip netns exec` mounts this file in place of /etc/hosts.
        folder = Path("/etc/netns", space)
        folder.mkdir(parents=True)
        lines = [f"{self.address(each)} {each}.{DOMAIN}" for each in self._names]
        (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        _ip("netns", "add", space)
        _ip("link", "add", cable, "type", "veth", "peer", "eth0", "netns", space)
        _ip("link", "set", cable, "master", self._id, "up")
        inside = ("-n", space)
        _ip(*inside, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "link", "set", "lo", "up")


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=not check)
