"""Label Studio's token goes to its files only, however a task names them."""

import re

import pytest

from label_studio_ml.files import get_local_path
from tests.unit.sdk.token_servers import (
    TOKEN,
    assert_nothing_secret_was_sent,
    assert_only_files_got_the_token,
    configured,
    fetch,
)

CLIMBING = [
    "/data/../api/users",
    "/data/./../api/users",
    "/data/x/../../api/users",
    "/data/upload/1/../../../api/users",
    "/data/%2e%2e/api/users",
    "/data/%2E./api/users",
    "/data/.%2e/api/users",
    "/data/..%2fapi/users",
    "/data/%2e%2e%2fapi/users",
    "/data%2f..%2fapi/users",
    "/data/..%5capi/users",
    "/data/..\\api/users",
    "/data\\..\\api\\users",
    "/data/upload/..%5c..%5capi/users",
    "/data/%252e%252e/api/users",
    "/data/..%252fapi/users",
    "/data/..%255capi/users",
    "/data/%25252e%25252e/api/users",
    "/data/%2525252525252e%2525252525252e/api/users",
    "/data/%25%32%65%2e/api/users",
    "/data/..;/api/users",
    "/data/..;x=1/api/users",
    "/data/%2e%2e;/api/users",
    "/data/..%3b/api/users",
    "/data/..%3fx/api/users",
    "/data/..%23/../api/users",
    "/data/.\t./api/users",
    "/data/.\n./api/users",
    "/data/.%09./api/users",
    "/data/..%00/api/users",
    "/data/..%20/api/users",
    "/data/.../../api/users",
    "/data/%c0%ae%c0%ae/api/users",
    "/data/%ef%bc%8e%ef%bc%8e/api/users",
    "/data/‥/api/users",
    "/data//../../api/users",
    "//data/../api/users",
    "/data?/../x",
    "/data#/../x",
    "/data/../api/users?d=a",
    "/data/local-files/../../api/users?d=a",
    "/storage-data/uploaded/../../api/users?filepath=upload/1/a",
    "/storage-data/uploaded%2f..%2f..%2fapi/users?filepath=upload/1/a",
    "/storage-data/export?filepath=upload/1/a",
    "/tasks/../api/token",
    "/tasks/1/%2e%2e/%2e%2e/api/users",
    "/tasks/1/presign/../../../api/users?fileuri=x",
    "/tasks/1/presign/..%2f..%2f..%2fapi/users?fileuri=x",
    "/tasks/1/resolve/%252e%252e/api?fileuri=x",
    "/tasks/1/delete",
    "/projects/1/settings",
    "/projects/../api/users",
    "/dataset/1",
    "/api/users?x=/data/",
    "/api/users#/data/",
    "/api/data/users",
    "/user/login/?next=/data/upload/1/a",
]
ELSEWHERE = [
    "{other}/data/upload/1/a",
    "//{other_host}/data/upload/1/a",
    "//{other_host}/storage-data/uploaded/?filepath=upload/1/a",
    "http://{ls_host}@{other_host}/data/upload/1/a",
    "http://ls.example:{ls_port}@{other_host}/data/upload/1/a",
    "http://{other_host}\\@{ls_host}/data/upload/1/a",
    "http://{other_host}#@{ls_host}/data/upload/1/a",
    "http://{other_host}?@{ls_host}/data/upload/1/a",
    "http://{other_host}/@{ls_host}/data/upload/1/a",
    "http:\\\\{other_host}\\data\\upload\\1\\a",
    "http:///{other_host}/data/upload/1/a",
    "http://ls.example:{other_port}/data/upload/1/a",
    "http://LS.EXAMPLE:{other_port}/data/upload/1/a",
    "http://ls.example.:{other_port}/data/upload/1/a",
    "http://ls.example.other.example:{other_port}/data/upload/1/a",
    "http://ls%2eexample:{other_port}/data/upload/1/a",
    "http://xn--ls-.example:{other_port}/data/upload/1/a",
    "http://lş.example:{other_port}/data/upload/1/a",
    "https://{ls_host}/data/upload/1/a",
    "http://{other_host}\t/data/upload/1/a",
    "http://{other_host}\r\nAuthorization: x/data/upload/1/a",
]


@pytest.mark.parametrize("path", CLIMBING)
@pytest.mark.parametrize("prefix", ["", "/ls"])
def test_a_path_that_leads_to_the_api_gets_no_token(
    ls, other, monkeypatch, prefix, path
):
    configured(ls, monkeypatch, prefix)
    host = f"ls.example:{ls.port}"
    fetch(path)
    fetch(f"http://{host}{prefix}{path}")
    fetch(f"HTTP://LS.EXAMPLE:{ls.port}{prefix}{path}")
    fetch(f"//{host}{prefix}{path}")
    assert_only_files_got_the_token(ls, prefix)
    sent = [path for path, _ in ls.requests]
    assert not [path for path in sent if path == "/api/users" and prefix]
    assert_nothing_secret_was_sent(other)


@pytest.mark.parametrize("path", CLIMBING)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_redirect_to_a_path_that_leads_to_the_api_drops_the_token(ls, absolute, path):
    location = f"http://ls.example:{ls.port}{path}" if absolute else path
    location = re.sub("[\n\t‥]", ".", location)  # a header cannot contain them
    ls.answers["/data/local-files/?d=a"] = (302, {"Location": location}, b"")
    fetch("/data/local-files/?d=a")
    assert TOKEN in str(ls.requests[0][1])
    assert_only_files_got_the_token(ls)


@pytest.mark.parametrize("form", ELSEWHERE)
@pytest.mark.parametrize("redirected", [True, False])
def test_another_origin_gets_no_credentials(ls, other, form, redirected):
    url = form.format(
        ls_host=f"ls.example:{ls.port}",
        ls_port=ls.port,
        other=other.url,
        other_host=f"ls.example:{other.port}",  # the same name, for its cookies
        other_port=other.port,
    )
    if redirected:
        url = url.encode("idna" if "ş" in url else "ascii").decode()
        location = re.sub("[\r\n\t]", "", url)
        ls.answers["/data/local-files/?d=a"] = (302, {"Location": location}, b"")
        fetch("/data/local-files/?d=a")
    else:
        fetch(url)
    assert_only_files_got_the_token(ls)
    assert_nothing_secret_was_sent(other)


def test_the_token_does_not_come_back_after_a_redirect_elsewhere(ls, other):
    back = {"Location": f"http://ls.example:{ls.port}/data/upload/1/b"}
    away = {"Location": f"http://ls.example:{other.port}/back"}
    ls.answers["/data/local-files/?d=a"] = (302, away, b"")
    other.answers["/back"] = (302, back, b"")
    fetch("/data/local-files/?d=a")
    first, last = ls.requests
    assert (TOKEN in str(first), last[0]) == (True, "/data/upload/1/b")
    assert TOKEN not in str(last)
    assert_nothing_secret_was_sent(other)


def test_a_redirect_to_another_file_keeps_the_token(ls):
    there = {"Location": f"http://LS.example:{ls.port}/data/x/../upload/1/b"}
    ls.answers["/data/local-files/?d=a"] = (302, there, b"")
    fetch("/data/local-files/?d=a")
    path, headers = ls.requests[1]
    assert (path, TOKEN in str(headers)) == ("/data/upload/1/b", True)


@pytest.mark.parametrize("path", ["x/data/upload/1/a", "/../data/upload/1/a", "%2f/x"])
def test_another_application_of_the_same_host_gets_no_token(ls, monkeypatch, path):
    configured(ls, monkeypatch, "/ls")
    fetch(f"http://ls.example:{ls.port}/ls{path}")
    assert len(ls.requests) == 1
    assert TOKEN not in str(ls.requests)


def test_a_model_that_names_another_application_of_the_host_gets_no_token(
    ls, monkeypatch
):
    configured(ls, monkeypatch, "/ls")
    with pytest.raises(FileNotFoundError, match="needs credentials"):
        get_local_path(
            "/data/upload/1/a", hostname=f"http://ls.example:{ls.port}/other"
        )
    assert ls.requests == []


def test_credentials_of_netrc_are_sent_nowhere(ls, other, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hidden")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    away = {"Location": f"{other.url}/b"}
    ls.answers["/data/local-files/?d=a"] = (302, away, b"")
    fetch("/data/local-files/?d=a")
    fetch(f"{other.url}/c")
    assert ls.requests[0][1]["Authorization"] == f"Token {TOKEN}"
    assert [path for path, _ in other.requests] == ["/b", "/c"]
    assert "Authorization" not in str(other.requests)


def test_credentials_in_a_tasks_url_are_sent_to_the_host_that_it_names(ls, other):
    fetch(f"http://me:mine@127.0.0.1:{other.port}/a")
    assert other.requests[0][1]["Authorization"] == "Basic bWU6bWluZQ=="


@pytest.mark.parametrize(
    "url",
    ["http://me:hidden@ls.example", "me:hidden@ls.example", "ftp://me:hidden@ls"],
)
def test_credentials_in_the_address_of_label_studio_are_refused_and_not_shown(
    cache_dir, monkeypatch, url
):
    monkeypatch.setenv("LABEL_STUDIO_URL", url)
    with pytest.raises(ValueError, match="must not contain a user name") as refusal:
        get_local_path("/data/upload/1/a")
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("token", ["the-\ntoken", "the- token", "the-…token"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(ls, token):
    with pytest.raises(FileNotFoundError, match="LABEL_STUDIO_API_KEY") as refusal:
        get_local_path("/data/upload/1/a", access_token=token)
    assert "the-" not in str(refusal.value)
    assert ls.requests == []
