"""What MODEL_URL says. Plain Python, for programs that start without Django."""

import hashlib
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

UNIX = "unix://"
_LISTENS_AFTER_S = 60.0  # at most, from when a process creates its socket


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


def listens(path: str | Path) -> bool:
    """Return whether a process listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:  # too many connections wait there
            return True
        except OSError:
            return False
    return True


def may_take_over(shared: str) -> bool:
    """Return whether the path in MODEL_URL may lead to this container's model process.

    Not if this container was replaced by the one that listens there: during a deploy
    the old one may restart by itself.
    """
    try:
        order = _order(shared).read_text(errors="replace").split()
    except OSError:
        return True  # nobody has taken over yet, or nobody can tell
    own = Path(own_socket(shared)).name
    later = order[order.index(own) + 1 :] if own in order else []
    return Path(shared).resolve().name not in later or not listens(shared)


def take_over(shared: str) -> None:
    """Make the path in MODEL_URL lead to this container's model process.

    New connections come here from now on. Those to another process remain.
    """
    own = Path(own_socket(shared))
    with suppress(OSError), _order(shared).open("a+", errors="replace") as order:
        order.seek(0)
        if own.name not in order.read().split():
            order.write(f"{own.name}\n")
    link = own.with_name(f"{own.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(own.name)
    link.replace(shared)


def remove_leftovers(shared: str) -> None:
    """Remove the sockets and links of containers that were killed and are gone."""
    ours = re.compile(rf"{re.escape(Path(shared).name)}\.[0-9a-f]{{6}}(\.new)?")
    until = time.time() - _LISTENS_AFTER_S
    for path in Path(shared).parent.iterdir():
        with suppress(FileNotFoundError):  # another process removed it
            if (
                ours.fullmatch(path.name)
                and path.lstat().st_mtime < until
                and not listens(path)
            ):
                path.unlink()


def _order(shared: str) -> Path:
    """Return the file with the order in which containers took over first."""
    return Path(shared).with_suffix(".order")
