"""The last seal is published; an unreachable address does not stop sealing."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lsml.audit import anchors, sealing
from lsml.audit.models import Seal
from tests.db.audit.rows import hear, predict

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener():
    """A server on this machine: its URL, and what was posted to it."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            size = int(self.headers["Content-Length"])
            told.append(json.loads(self.rfile.read(size)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/anchors", told
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_last_seal_of_a_pass_is_posted(settings, listener):
    settings.AUDIT_ANCHOR, told = listener
    predict()
    hear()
    sealing.seal()
    last = Seal.objects.get(number=2)
    assert [(one["number"], one["digest"]) for one in told] == [(2, last.digest)]


def test_lines_are_added_to_a_file_and_read_again(settings, tmp_path):
    settings.AUDIT_ANCHOR = (tmp_path / "far" / "anchors.jsonl").as_uri()
    for _ in range(2):
        predict()
        sealing.seal()
    expected = list(Seal.objects.order_by("number").values_list("number", "digest"))
    assert list(anchors.published()) == expected


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "file:///proc/none/x"])
def test_an_unreachable_anchor_does_not_stop_sealing(settings, url):
    settings.AUDIT_ANCHOR = url
    predict()
    assert len(sealing.seal()) == 1
