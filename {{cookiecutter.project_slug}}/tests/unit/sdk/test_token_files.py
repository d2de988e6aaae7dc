"""Files of Label Studio are fetched with its token, also those with unusual names."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml.addresses import as_sent
from label_studio_ml.files import get_local_path
from label_studio_ml.label_studio import LabelStudio
from tests.unit.sdk.token_servers import (
    TOKEN,
    assert_is_file,
    assert_nothing_secret_was_sent,
    assert_only_files_got_the_token,
    configured,
    fetch,
)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/data/upload/1/a b.png", "/data/upload/1/a%20b.png"),
        ("/data/upload/1/a%20b.png", "/data/upload/1/a%20b.png"),
        ("/data/upload/1/ü-日本.png", "/data/upload/1/%C3%BC-%E6%97%A5%E6%9C%AC.png"),
        ("/data/upload/1/%C3%BC.png", "/data/upload/1/%C3%BC.png"),
        ("/data/upload/1/a..b.png", "/data/upload/1/a..b.png"),
        ("/data/upload/1/..a.png", "/data/upload/1/..a.png"),
        ("/data/upload/1/a...png", "/data/upload/1/a...png"),
        ("/data/upload/1/.hidden/a", "/data/upload/1/.hidden/a"),
        ("/data/upload/1/a+b.png", "/data/upload/1/a+b.png"),
        ("/data/upload/1/100%.png", "/data/upload/1/100%25.png"),
        ("/data/upload/1/100%25.png", "/data/upload/1/100%25.png"),
        ("/data/upload/1/a;b=1,c&d=(e).png", "/data/upload/1/a;b=1,c&d=(e).png"),
        ("/data/upload/1/a%3Fb%23c.png", "/data/upload/1/a%3Fb%23c.png"),
        ("/data/upload/1/a.png?x=/../..;/", "/data/upload/1/a.png?x=/../..;/"),
        ("/data/upload/1/a.png#/../../", "/data/upload/1/a.png"),
        ("/data/x/../upload/1/a.png", "/data/upload/1/a.png"),
        ("/data/local-files/?d=a%20b/../c.png", "/data/local-files/?d=a%20b/../c.png"),
        ("/storage-data/uploaded/?filepath=upload/1/a..b", None),
        ("/tasks/7/presign/?fileuri=czM6Ly8uLi8uLg==", None),
        ("/tasks/7/resolve/?fileuri=czM6Ly8uLi8uLg==", None),
        ("/projects/7/resolve/?fileuri=czM6Ly8uLi8uLg==", None),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/ls"])
def test_files_of_label_studio_are_fetched_with_the_token(
    ls, monkeypatch, prefix, path, sent
):
    configured(ls, monkeypatch, prefix)
    url = f"http://LS.example:{ls.port}{prefix}{path}"
    assert Path(get_local_path(url)).read_bytes() == b"body"
    [(target, headers)] = ls.requests
    assert target == prefix + (sent or path)
    assert headers["Authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize(
    "name", ["a b.png", "ü.png", "a..b.png", "a+b.png", "100%.png", "a;b.png"]
)
def test_uploads_with_unusual_names_are_fetched_with_the_token(ls, name):
    ls.answers[f"/storage-data/uploaded/?filepath=upload/1/{name}"] = b""
    assert Path(get_local_path(f"/data/upload/1/{name}")).read_bytes() == b"body"
    [(target, headers)] = ls.requests
    assert unquote(target) == f"/storage-data/uploaded/?filepath=upload/1/{name}"
    assert headers["Authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("http://ls.example:80/data/a", "http://ls.example"),
        ("http://LS.example/data/a", "http://ls.EXAMPLE:80/"),
        ("https://ls.example/data/a", "https://ls.example:443"),
        ("http://bücher.example/data/a", "http://xn--bcher-kva.example"),
        ("http://xn--bcher-kva.example/data/a", "http://BÜCHER.example"),
    ],
)
def test_another_spelling_of_label_studios_address_is_label_studio(
    monkeypatch, url, known
):
    monkeypatch.setenv("LABEL_STUDIO_URL", known)
    assert LabelStudio.from_environment(None, TOKEN).is_file(as_sent(url))


FRAGMENTS = (
    *("/", "//", ".", "..", "...", "%2e", "%2E", "%252e", "%2f", "%2F", "%252f"),
    *("\\", "%5c", "%255c", ";", ";x=1", "%3b", "?", "%3f", "#", "%23"),
    *("%", "%25", "%2", "2e", "65", "5c", "%00", "%09", "%0a", "%20", "\t", "\n", "\r"),
    *(" ", "\0", "%c0%ae", "%ef%bc%8e", "‥", "+", "a", "ü", "1", "ls", "lsx", "data"),
    *("/data/", "upload/1/", "local-files/?d=a", "storage-data/uploaded/", "tasks/"),
    *("projects/", "/presign/", "resolve", "?fileuri=", "api", "/api/users", "user"),
)
STARTS = (
    "/data/",
    "/data/upload/1/",
    "/tasks/1/presign/",
    "/storage-data/uploaded/",
    "/",
)
PATHS = st.builds(
    lambda start, parts: start + "".join(parts),
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(FRAGMENTS), max_size=9),
)
AUTHORITIES = (
    *("", "{ls}", "LS.EXAMPLE:{port}", "{ls}.", "{ls}\t", "ls.example.:{port}"),
    *("x:y@{ls}", "{ls}@{other}", "{ls}?@{other}", "{other}"),
    *("{other}\\@{ls}", "{other}#@{ls}"),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=500)
@given(path=PATHS, prefix=st.sampled_from(["", "/ls"]))
def test_what_gets_the_token_is_sent_unchanged_and_is_a_file(path, prefix):
    studio = LabelStudio(f"http://ls.example{prefix}", TOKEN, configured=True)
    try:
        sent = as_sent(f"{studio.url}{path}")
    except requests.exceptions.InvalidURL:
        return
    request = requests.Request("GET", sent, auth=studio.authorize).prepare()
    assert request.url == sent
    if "Authorization" in request.headers:
        target = request.path_url.partition("?")[0]
        assert_is_file(target, prefix)


@settings(deadline=None, max_examples=100)
@given(path=PATHS, authority=st.sampled_from(AUTHORITIES), redirected=st.booleans())
def test_no_generated_address_takes_the_token_out_of_the_files(
    servers, tmp_path_factory, path, authority, redirected
):
    ls, other = servers
    other.requests.clear()
    with pytest.MonkeyPatch.context() as patch:
        configured(ls, patch)
        patch.setenv("LSML_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        hosts = {"ls": f"ls.example:{ls.port}", "other": f"ls.example:{other.port}"}
        host = authority.format(**hosts, port=ls.port)
        url = f"http://{host}{path}" if host else path
        if redirected:
            url = re.sub("[^ -~]", "", url)
            ls.answers["/data/local-files/?d=a"] = (302, {"Location": url}, b"")
            url = "/data/local-files/?d=a"
        fetch(url)
    assert_only_files_got_the_token(ls)
    assert_nothing_secret_was_sent(other)
