"""What MODEL_URL says. Plain Python, for programs that start without Django."""

import hashlib
import socket
from pathlib import Path

UNIX = "unix://"


def socket_of(url: str) -> str | None:
    """Return the path of the Unix socket that an address names; None for HTTP."""
    return url.removeprefix(UNIX) if url.startswith(UNIX) else None


def own_socket(shared: str) -> str:
    """Return the path at which this container's model process listens.

    Containers share the folder. So a new process can listen beside the one that it
    replaces, and then take over.
    """
    digest = hashlib.sha256(socket.gethostname().encode()).hexdigest()
    return f"{shared}.{digest[:6]}"


def leads_here(shared: str) -> bool:
    """Return whether the path in MODEL_URL leads to this container's model process."""
    return Path(shared).resolve() == Path(own_socket(shared)).resolve()


def take_over(shared: str) -> None:
    """Make the path in MODEL_URL lead to this container's model process.

    New connections come here from now on. Those to another process remain.
    """
    own = Path(own_socket(shared))
    link = own.with_name(f"{own.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(own.name)
    link.replace(shared)
