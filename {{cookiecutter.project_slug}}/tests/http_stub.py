"""A tiny HTTP server on loopback that answers from a dict, for tests."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class HttpStub:
    """Answers by path, with or without its query, and records the requests."""

    url: str = ""
    answers: dict = field(
        default_factory=dict
    )  # path -> body, or (status, headers, body)
    requests: list = field(default_factory=list)  # (path, headers)
    bodies: list = field(default_factory=list)  # of requests other than GET

    def answer(self, path, headers):
        self.requests.append((path, headers))
        found = self.answers.get(path, self.answers.get(path.partition("?")[0]))
        found = (404, {}, b"no such file") if found is None else found
        if callable(found):
            found = found(headers)
        return found if isinstance(found, tuple) else (200, {}, found)

    @property
    def paths(self):
        return [path for path, _ in self.requests]

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])


@contextmanager
def http_stub(stub=None):
    stub = stub or HttpStub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            # As it was received: `self.path` has no second slash at its beginning.
            path = self.requestline.split(" ")[1]
            headers = {**self.headers, METHOD: self.command}
            status, headers, body = stub.answer(path, headers)
            if not isinstance(body, bytes):
                body, headers = json.dumps(body).encode(), headers | JSON
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            stub.bodies.append(
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
            )
            self.do_GET()

        def do_DELETE(self):
            self.do_POST()

        def do_PATCH(self):
            self.do_POST()

        def log_message(self, *_):
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


METHOD = ":method"  # of the request, among the headers that a stub gets
JSON = {"Content-Type": "application/json"}
