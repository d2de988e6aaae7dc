"""The model process's application in a thread of the test, under MODEL_URL.

Tests can then script the model and look into it. `tests/e2e` starts the real process.
"""

import socket
import threading
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.db import connection, connections

from lsml.inference import placement
from lsml.inference.serving.app import respond


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def model_process():
    """Run the application, and yield its URL.

    Inside a test's transaction, requests use the test's connection: another one would
    not see the test's rows.
    """
    shared = connections["default"] if connection.in_atomic_block else None

    def application(request, start_response):
        if shared:
            connections["default"] = shared
        try:
            return respond(request, start_response)
        finally:
            if not shared:
                connections.close_all()

    server = make_server("127.0.0.1", 0, application, _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    if shared:
        shared.inc_thread_sharing()
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        if shared:
            shared.dec_thread_sharing()


@contextmanager
def frozen_model_process(monkeypatch):
    """Yield the URL of a process that the kernel accepts connections for, as if frozen.

    Callers give up soon.
    """
    monkeypatch.setattr(placement, "_ALIVE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
