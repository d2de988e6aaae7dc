"""Addresses in a data folder: of the embedded servers and the model processes.

An address depends only on the folder's path and owner, so every process computes the
same one. Nothing is started here.
"""

import hashlib
import os
import re
from pathlib import Path

from lsml.model_process.address import UNIX, listens, own_socket

# Linux allows 107 bytes for the path of a Unix socket. The longest file name here has
# 28: background-model.sock and the digest of `own_socket`.
SOCKET_FOLDER_MAX_BYTES = 78
# Other characters would need three kinds of quoting: URL, postgresql.conf and shell.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def socket_folder(data_dir: Path) -> Path:
    """Return the folder of both sockets, which may not exist yet."""
    data_dir = data_dir.resolve()
    inside = data_dir / "run"
    plain = _PLAIN_PATH.fullmatch(str(inside)) is not None
    if plain and len(os.fsencode(inside)) <= SOCKET_FOLDER_MAX_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    # Not $TMPDIR or $XDG_RUNTIME_DIR: they differ between a terminal and a cron job, so
    # two processes would not find the same server. lsml.embedded.folders checks owner
    # and mode of the folder before a server starts.
    return Path(f"/tmp/lsml-{owner_id(data_dir)}") / digest  # noqa: S108


def owner_id(data_dir: Path) -> int:
    """Return the user id of the data folder's owner, or ours if it does not exist."""
    return data_dir.stat().st_uid if data_dir.exists() else os.getuid()


def database_url(data_dir: Path) -> str:
    """Return the URL of the embedded PostgreSQL, for libpq and django-environ."""
    return f"postgresql://postgres@/lsml?host={socket_folder(data_dir)}&port=5432"


def broker_socket(data_dir: Path) -> Path:
    """Return the socket of the embedded broker."""
    return socket_folder(data_dir) / "valkey.sock"


def broker_url(data_dir: Path) -> str:
    """Return the URL of the embedded broker, for Celery."""
    return f"redis+socket://{broker_socket(data_dir)}?virtual_host=0"


def model_url(data_dir: Path) -> str:
    """Return the address of a model process on this machine."""
    return f"{UNIX}{socket_folder(data_dir)}/model.sock"


def background_model_url(data_dir: Path) -> str:
    """Return the address of the background model process of `manage.py dev`."""
    return f"{UNIX}{_background_model_socket(data_dir)}"


def running_background_model_url(data_dir: Path) -> str:
    """Return that address if the process runs, whether it answers or not; else ""."""
    if listens(own_socket(_background_model_socket(data_dir))):
        return background_model_url(data_dir)
    return ""


def _background_model_socket(data_dir: Path) -> str:
    return f"{socket_folder(data_dir)}/background-model.sock"
