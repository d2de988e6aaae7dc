"""Replaces itself by a program: in the background, with a log, and not as root.

Run as a script by `lsml.embedded.programs` and `lsml.embedded.supervisor`:
`launch.py '{"log": …}' PROGRAM ARGUMENT…`.
A script of its own because Python's subprocess module cannot keep a capability across
a change of user, and code between fork and exec is unsafe beside threads.

PostgreSQL refuses root, and the project may lie below a folder that only root may
enter, such as /root. So the program runs as an ordinary user that keeps a single right
of root's, to pass by file permissions (CAP_DAC_OVERRIDE, which plain containers have);
no folder is opened to others and no system user is made.
"""

import ctypes
import json
import os
import signal
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
# Keeps capabilities when the user changes, and lets access(2), with which PostgreSQL
# looks for its own files, honour them.
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CANNOT_CHANGE_USER = 126
CANNOT_START = 127


def into_background() -> None:
    """Go on in a child of init's, in a session that no terminal can interrupt."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")  # keeps no folder of the caller's in use


def die_with(parent: int) -> None:
    """Be killed when the parent dies, even by kill -9 (the kernel sees to it)."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel knew
        os._exit(CANNOT_START)


def write_to(log: str) -> None:
    """Send output to a fresh log; the one before it is kept once."""
    if os.path.exists(log):  # noqa: PTH110 - pathlib doubles this script's start-up
        os.replace(log, f"{log}.previous")  # noqa: PTH105
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def become(uid: int, gid: int) -> None:
    """Change to another user and keep only the right to pass by file permissions."""
    keeps = _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    # Where root is not allowed this, the folders may be open to the user all the same.
    if keeps and _keep_only(1 << CAP_DAC_OVERRIDE):
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _prctl(*arguments: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):  # not Linux
        return False
    padded = [ctypes.c_ulong(number) for number in (*arguments, 0, 0, 0, 0)[:5]]
    return bool(libc.prctl(*padded) == 0)


def _keep_only(mask: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    if libc.capset(header, struct.pack("6I", mask, mask, mask, 0, 0, 0)) == 0:
        return True
    libc.capset(header, struct.pack("6I", 0, 0, 0, 0, 0, 0))
    return False


def main(order: dict[str, object], program: list[str]) -> None:
    if order.get("background"):
        into_background()
    match order.get("parent"):
        case int(parent):
            die_with(parent)
    match order.get("user"):
        case [int(uid), int(gid)]:
            try:
                become(uid, gid)
            except OSError as error:
                sys.stderr.write(f"root may not become user {uid} here: {error}\n")
                os._exit(CANNOT_CHANGE_USER)
    try:
        if log := order.get("log"):
            os.umask(0o077)
            write_to(str(log))
        os.execv(program[0], program)  # noqa: S606 - a list, no shell
    except OSError as error:
        sys.stderr.write(f"{program[0]} cannot be started: {error}\n")
        os._exit(CANNOT_START)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
