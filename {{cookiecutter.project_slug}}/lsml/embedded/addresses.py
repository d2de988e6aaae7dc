"""Where the embedded servers of a data folder listen; settings read it, nothing starts.

The addresses follow from the folder's path and the user alone, so that every process
finds the servers without being told.
"""

import hashlib
import os
import re
from pathlib import Path

# Linux allows 107 bytes for a unix socket's path; PostgreSQL adds 18 of its own.
SOCKET_FOLDER_MAX_BYTES = 90
# Anything else would need three kinds of quoting: URL, postgresql.conf and shell.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def socket_folder(data_dir: Path) -> Path:
    """Return the folder of both sockets; it need not exist yet."""
    data_dir = data_dir.resolve()
    inside = data_dir / "run"
    plain = _PLAIN_PATH.fullmatch(str(inside)) is not None
    if plain and len(os.fsencode(inside)) <= SOCKET_FOLDER_MAX_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    # Not $TMPDIR nor $XDG_RUNTIME_DIR: they differ between a terminal and a cron job,
    # and then two processes would not find the same server. Owner and mode of the
    # folder are checked before a server starts in it (lsml.embedded.folders).
    return Path(f"/tmp/lsml-{owner_id(data_dir)}") / digest  # noqa: S108


def owner_id(data_dir: Path) -> int:
    """Return the user id of the data folder's owner, who is us if it is still to be."""
    return data_dir.stat().st_uid if data_dir.exists() else os.getuid()


def database_url(data_dir: Path) -> str:
    """Return the embedded PostgreSQL as a URL that libpq and django-environ read."""
    return f"postgresql://postgres@/lsml?host={socket_folder(data_dir)}&port=5432"


def broker_socket(data_dir: Path) -> Path:
    """Return the socket of the embedded broker."""
    return socket_folder(data_dir) / "valkey.sock"


def broker_url(data_dir: Path) -> str:
    """Return the URL of the embedded broker, as Celery reads it."""
    return f"redis+socket://{broker_socket(data_dir)}?virtual_host=0"
