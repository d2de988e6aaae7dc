"""Exits with 0 if this container's model process answers: `python -m` this module.

The health check of its container. It needs no Django, so it costs little.
"""

import os
import socket
import sys
from pathlib import Path

from lsml.embedded.addresses import model_url
from lsml.model_process.address import own_socket, socket_of

_TIMEOUT_S = 4.0


def is_alive() -> bool:
    """Return whether the model process answers /live, at its socket or on its port."""
    url = os.environ.get("MODEL_URL") or model_url(Path(os.environ["LSML_DATA_DIR"]))
    try:
        with _connection(url) as connection:
            connection.sendall(b"GET /live HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError as error:
        sys.stderr.write(f"The model process does not answer at {url}: {error}\n")
        return False


def _connection(url: str) -> socket.socket:
    path = socket_of(url)
    if path is None:  # the address of others; config/gunicorn_model.py
        here = ("127.0.0.1", int(os.environ.get("PORT", "9091")))
        return socket.create_connection(here, timeout=_TIMEOUT_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_TIMEOUT_S)
    connection.connect(own_socket(path))
    return connection


if __name__ == "__main__":
    sys.exit(not is_alive())
