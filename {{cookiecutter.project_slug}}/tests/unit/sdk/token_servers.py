"""Label Studio and another server on loopback, and what a token may be sent to.

Both servers answer every path, and record it as it was received.
"""

import posixpath
import re
import socket
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import unquote

import pytest
import requests
from label_studio_sdk._extensions.label_studio_tools.core.utils import io as tools

from label_studio_ml.files import get_local_path
from tests.http_stub import http_stub

TOKEN = "the-token"
COOKIE = "the-cookie"
FILES = re.compile(
    r"/data(/.*)?|/storage-data/uploaded|/(tasks|projects)/[0-9]+/(presign|resolve)"
)


class Answers(dict):
    """Answers every path, with a cookie as a server with sessions sends it."""

    def get(self, path, default=None):
        status, headers, body = super().get(path, default) or (200, {}, b"body")
        cookie = {"Set-Cookie": f"sessionid={COOKIE}; Path=/"}
        return status, headers | cookie, body


@contextmanager
def label_studio_and_another():
    """Start both servers. Every name below `.example` leads to loopback."""
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        named = host.rstrip(".").endswith(".example")
        return real("127.0.0.1" if named else host, *args, **kwargs)

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        ls, other = (stack.enter_context(http_stub()) for _ in range(2))
        ls.answers, other.answers = Answers(), Answers()
        yield ls, other


def configured(ls, monkeypatch, prefix=""):
    ls.requests.clear()
    ls.answers.clear()
    monkeypatch.setenv("LABEL_STUDIO_URL", f"http://ls.example:{ls.port}{prefix}")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    monkeypatch.setenv("LSML_ALLOW_LOCAL_URLS", "true")  # only the token is tested
    monkeypatch.setattr(tools, "LOCAL_FILES_DOCUMENT_ROOT", None)


def fetch(url):
    """Fetch a file. Whether it succeeds does not matter, only what is sent."""
    with suppress(requests.RequestException, ValueError, OSError):
        get_local_path(url, task_id=1)


def readings(path):
    """Every path that some server could take this one for, with its dots resolved."""
    while True:
        slashes = path.replace("\\", "/")
        clean = re.sub(r"[\x00-\x20]", "", slashes)
        for text in (path, slashes, clean):
            yield posixpath.normpath(re.sub("[?#].*", "", text))
            yield posixpath.normpath(re.sub("[;?#][^/]*", "", text))
        if unquote(path) == path:
            return
        path = unquote(path)


def assert_is_file(path, prefix=""):
    """Check that every server takes a path below the prefix for a file."""
    for reading in readings(path):
        assert reading.startswith(f"{prefix}/"), path
        assert FILES.fullmatch(reading.removeprefix(prefix)), path


def assert_only_files_got_the_token(ls, prefix=""):
    for target, headers in ls.requests:
        if TOKEN in str(headers):
            assert_is_file(target.partition("?")[0], prefix)


def assert_nothing_secret_was_sent(other):
    assert TOKEN not in str(other.requests)
    assert COOKIE not in str(other.requests)
