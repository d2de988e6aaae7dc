"""Starts a program in its place: in the background, with a log, and not as root.

`lsml.embedded.programs` and `lsml.embedded.supervisor` run it as a script:
`launch.py '{"log": …}' PROGRAM ARGUMENT…`.
It is a separate script because Python's subprocess module cannot keep a capability when
the user changes, and code between fork and exec is unsafe in a process with threads.

PostgreSQL refuses to run as root, and the project may be in a folder that only root may
enter, such as /root. Therefore the program runs as an ordinary user that keeps one
capability of root: to ignore file permissions (CAP_DAC_OVERRIDE, which containers have
by default). No folder is opened to others and no system user is created.
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
# Keeps capabilities when the user changes. Also makes access(2) respect them, which
# PostgreSQL uses to find its own files.
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CANNOT_CHANGE_USER = 126
CANNOT_START = 127


def into_background() -> None:
    """Continue as a child of init, in a session that no terminal can interrupt."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")  # so that no folder of the caller stays in use


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even by kill -9."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before prctl()
        os._exit(CANNOT_START)


def write_to(log: str) -> None:
    """Send output to a new log, and keep the previous log."""
    if os.path.exists(log):  # noqa: PTH110 - pathlib doubles this script's start-up
        os.replace(log, f"{log}.previous")  # noqa: PTH105
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def become(uid: int, gid: int) -> None:
    """Change to another user, and keep only the right to ignore file permissions."""
    keeps = _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    # If root lacks this right, the user may still have access to the folders.
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


def main(options: dict[str, object], program: list[str]) -> None:
    if options.get("background"):
        into_background()
    match options.get("parent"):
        case int(parent):
            die_with(parent)
    match options.get("nice"):
        case int(steps):
            os.nice(steps)
    match options.get("user"):
        case [int(uid), int(gid)]:
            try:
                become(uid, gid)
            except OSError as error:
                sys.stderr.write(f"root may not change to user {uid} here: {error}\n")
                os._exit(CANNOT_CHANGE_USER)
    try:
        if log := options.get("log"):
            os.umask(0o077)
            write_to(str(log))
        os.execv(program[0], program)  # noqa: S606 - a list, no shell
    except OSError as error:
        sys.stderr.write(f"{program[0]} cannot be started: {error}\n")
        os._exit(CANNOT_START)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
