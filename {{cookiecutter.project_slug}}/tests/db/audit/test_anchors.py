"""The last seal is published; an unreachable address does not stop sealing."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lsml.audit import anchors, sealing
from lsml.audit.models import Seal
from lsml.registry.storage_url import storage_from_url
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


UNREACHABLE_BUCKET = "s3://bucket/seals?endpoint_url=http://127.0.0.1:9"


@pytest.fixture
def unreachable_bucket(settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    storage = storage_from_url(UNREACHABLE_BUCKET)
    settings.STORAGES = {**settings.STORAGES, "anchors": storage}


@pytest.mark.usefixtures("unreachable_bucket")
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "file:///proc/none/x", UNREACHABLE_BUCKET]
)
def test_an_unreachable_anchor_does_not_stop_sealing(settings, url):
    settings.AUDIT_ANCHOR = url
    predict()
    assert len(sealing.seal()) == 1


def verify(*options):
    """Run the command; return what it says if it fails, and "" if all is intact."""
    out = StringIO()
    try:
        call_command("audit", "verify", *options, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return ""


@pytest.fixture
def anchored(settings, tmp_path):
    """The file of anchors, with two seals."""
    path = tmp_path / "anchors.jsonl"
    settings.AUDIT_ANCHOR = path.as_uri()
    for _ in range(2):
        predict()
        sealing.seal()
    return path


@pytest.mark.usefixtures("unreachable_bucket")
def test_a_bucket_that_does_not_answer_fails_the_verification(settings):
    predict()
    sealing.seal()
    settings.AUDIT_ANCHOR = UNREACHABLE_BUCKET
    assert "cannot be read: EndpointConnectionError" in verify()


def test_anchors_that_agree_are_intact(anchored):
    assert verify() == verify("--anchors", str(anchored)) == ""


def test_before_the_first_seal_no_anchor_is_expected(settings, tmp_path):
    settings.AUDIT_ANCHOR = (tmp_path / "anchors.jsonl").as_uri()
    assert verify() == ""


@pytest.mark.parametrize("named", [True, False], ids=["--anchors", "AUDIT_ANCHOR"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "has no anchored seal"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read: Is a directory"),
    ],
    ids=["missing", "empty", "folder"],
)
def test_anchors_that_are_not_there_fail_the_verification(
    anchored, named, change, sentence
):
    change(anchored)
    said = verify(*(["--anchors", str(anchored)] if named else []))
    assert str(anchored) in said
    assert sentence in said


@pytest.mark.parametrize("line", [b'{"number":3,"dig', b"[]", b'{"number":3}', b"\xff"])
def test_a_torn_anchor_is_named_and_the_others_are_still_compared(anchored, line):
    content = anchored.read_bytes().replace(
        Seal.objects.get(pk=2).digest.encode(), b"f" * 64
    )
    anchored.write_bytes(line + b"\n" + content)
    said = verify()
    assert f"Line 1 of {anchored} is not an anchored seal" in said
    assert "Seal 2 differs from the anchored one." in said


def test_a_seal_after_a_torn_anchor_gets_a_line_of_its_own(anchored):
    with anchored.open("ab") as file:
        file.write(b'{"number":3,"dig')
    predict()
    sealing.seal()
    last = Seal.objects.get(number=3)
    assert json.loads(anchored.read_bytes().splitlines()[-1])["digest"] == last.digest


def test_an_export_is_not_checked_against_anchors_that_are_missing(tmp_path):
    predict()
    path = tmp_path / "export.zip"
    call_command("audit", "export", "--from", "1d", "--output", str(path))
    said = verify("--export", str(path), "--anchors", str(tmp_path / "none"))
    assert "cannot be read: No such file" in said
