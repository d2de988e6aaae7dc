"""get_local_path fetches everything that a task may name, here from loopback."""

import base64
from pathlib import Path

import pytest
import requests
from label_studio_sdk._extensions.label_studio_tools.core.utils import io as tools

from label_studio_ml.addresses import ForbiddenAddress
from label_studio_ml.files import get_local_path
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import get_image_local_path
from tests.http_stub import http_stub

JWT = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"


@pytest.fixture
def label_studio(server, cache_dir, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    monkeypatch.setattr(tools, "LOCAL_FILES_DOCUMENT_ROOT", None)
    return server


def read(url, **options):
    return Path(get_local_path(url, **options)).read_bytes()


@pytest.mark.parametrize(
    "url", ["/data/upload/1/a b.txt", "upload/1/a b.txt", "/upload/1/a b.txt"]
)
def test_an_upload_is_fetched_through_label_studios_proxy(label_studio, url):
    proxied = "/storage-data/uploaded/?filepath=upload/1/a%20b.txt"
    label_studio.answers[proxied] = b"body"
    assert read(url) == b"body"
    assert label_studio.requests[0][1]["Authorization"] == "Token secret"


def test_an_upload_that_the_proxy_does_not_have_is_fetched_directly(label_studio):
    label_studio.answers["/data/upload/1/a.txt"] = b"body"
    assert read("/data/upload/1/a.txt") == b"body"
    assert len(label_studio.requests) == 2


def test_a_proxied_upload_is_fetched_by_its_path(label_studio):
    url = "/storage-data/uploaded/?filepath=upload/1/a.txt"
    label_studio.answers[url] = b"body"
    assert read(url) == b"body"


def test_a_local_file_is_fetched_from_label_studio(label_studio):
    url = "/data/local-files/?d=dir/a.txt"
    label_studio.answers[url] = b"body"
    path = Path(get_local_path(url))
    assert (path.read_bytes(), path.suffix) == (b"body", ".txt")


def test_a_storage_uri_is_resolved_by_label_studio_for_the_task(label_studio):
    uri = "s3://bucket/dir/a.jpg"
    encoded = base64.urlsafe_b64encode(uri.encode()).decode()
    resolved = {"Location": f"{label_studio.url}/elsewhere"}
    presign = f"/tasks/7/presign/?fileuri={encoded}"
    label_studio.answers[presign] = (303, resolved, b"")
    label_studio.answers["/elsewhere"] = b"body"
    path = Path(get_local_path(uri, task_id=7))
    assert (path.read_bytes(), path.suffix) == (b"body", ".jpg")


def test_a_resolved_storage_uri_is_fetched_unchanged(label_studio):
    label_studio.answers["/tasks/7/resolve/?fileuri=abc"] = b"body"
    assert read("/tasks/7/resolve/?fileuri=abc") == b"body"


def test_a_storage_uri_without_a_task_is_refused_with_advice(label_studio):
    with pytest.raises(ValueError, match="pass its task_id"):
        get_local_path("gs://bucket/a.jpg")


def test_a_file_is_fetched_only_once(label_studio):
    label_studio.answers["/data/local-files/?d=a.txt"] = b"body"
    paths = {get_local_path("/data/local-files/?d=a.txt") for _ in range(3)}
    assert (len(paths), len(label_studio.requests)) == (1, 1)


def test_a_personal_access_token_is_sent_as_a_bearer_token(label_studio):
    label_studio.answers["/data/local-files/?d=a"] = b"body"
    read("/data/local-files/?d=a", access_token=JWT)
    assert label_studio.requests[0][1]["Authorization"] == f"Bearer {JWT}"


def test_another_host_gets_no_token_and_the_token_function_is_not_called(
    server, cache_dir, monkeypatch
):
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://ls.example")
    monkeypatch.setenv("LSML_ALLOW_LOCAL_URLS", "127.0.0.1")
    server.answers["/data/a.txt"] = b"body"

    def token():
        raise AssertionError("not needed")

    assert read(f"{server.url}/data/a.txt", access_token=token) == b"body"
    assert "Authorization" not in server.requests[0][1]


def test_a_task_that_names_label_studios_api_gets_no_token(label_studio):
    label_studio.answers["/api/users"] = b"public"
    read(f"{label_studio.url}/api/users")
    assert "Authorization" not in label_studio.requests[0][1]


def test_the_error_for_an_address_that_gets_no_token_says_so(label_studio):
    label_studio.answers["/api/users"] = (401, {}, b"")
    with pytest.raises(PermissionError, match="token is sent to addresses of files"):
        get_local_path(f"{label_studio.url}/api/users")


def test_a_redirect_to_another_host_drops_the_token(label_studio, monkeypatch):
    monkeypatch.setenv("LSML_ALLOW_LOCAL_URLS", "localhost")
    elsewhere = {"Location": f"http://localhost:{label_studio.port}/bucket"}
    label_studio.answers["/data/local-files/?d=a"] = (302, elsewhere, b"")
    label_studio.answers["/bucket"] = b"body"
    assert read("/data/local-files/?d=a") == b"body"
    assert "Authorization" not in label_studio.requests[1][1]


def test_a_redirect_to_another_port_of_the_same_host_drops_the_token(
    label_studio, monkeypatch
):
    monkeypatch.setenv("LSML_ALLOW_LOCAL_URLS", "127.0.0.1")
    with http_stub() as elsewhere:
        moved = {"Location": f"{elsewhere.url}/data/local-files/?d=a"}
        label_studio.answers["/data/local-files/?d=a"] = (302, moved, b"")
        elsewhere.answers["/data/local-files/"] = (401, {}, b"")
        with pytest.raises(PermissionError, match="LABEL_STUDIO_URL to that address"):
            get_local_path("/data/local-files/?d=a")
        [(_, headers)] = elsewhere.requests
        assert "Authorization" not in headers


@pytest.mark.parametrize("configured", ["", "http://ls.example"])
@pytest.mark.parametrize("token", [None, "mine", lambda: "mine"])
def test_a_host_that_the_operator_did_not_configure_gets_no_token(
    server, cache_dir, monkeypatch, configured, token
):
    monkeypatch.setenv("LABEL_STUDIO_URL", configured)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    with pytest.raises(FileNotFoundError, match=f"set it to {server.url}"):
        get_local_path("/data/upload/1/a", hostname=server.url, access_token=token)
    assert server.requests == []


def test_a_model_may_name_a_host_that_the_operator_configured(
    label_studio, monkeypatch
):
    monkeypatch.setenv("LABEL_STUDIO_HOST", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://ls.example")
    label_studio.answers["/data/local-files/?d=a"] = b"body"
    assert read("/data/local-files/?d=a", hostname=label_studio.url) == b"body"


def test_a_redirect_from_label_studio_to_the_backends_network_is_refused(label_studio):
    inside = {"Location": f"http://localhost:{label_studio.port}/metadata"}
    label_studio.answers["/data/local-files/?d=a"] = (302, inside, b"")
    with pytest.raises(ForbiddenAddress):
        get_local_path("/data/local-files/?d=a")


def test_an_address_on_the_backends_network_is_refused(server, cache_dir):
    with pytest.raises(ForbiddenAddress):
        get_local_path(f"{server.url}/a.txt")
    assert server.requests == []


def test_the_error_for_a_missing_address_names_the_setting(cache_dir, monkeypatch):
    monkeypatch.setattr(tools, "LOCAL_FILES_DOCUMENT_ROOT", None)
    with pytest.raises(FileNotFoundError, match="set LABEL_STUDIO_URL"):
        get_local_path("/data/local-files/?d=a")


def test_the_error_for_a_missing_token_names_the_setting(label_studio, monkeypatch):
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    with pytest.raises(FileNotFoundError, match="set LABEL_STUDIO_API_KEY"):
        get_local_path("/data/upload/1/a.txt")


@pytest.mark.parametrize(
    "answer",
    [(401, {}, b""), (403, {}, b""), (302, {"Location": "/user/login/?next=x"}, b"")],
    ids=["401", "403", "login page"],
)
def test_a_refused_token_is_an_error_and_nothing_is_stored(
    label_studio, answer, cache_dir
):
    label_studio.answers["/data/local-files/?d=a"] = answer
    label_studio.answers["/user/login/"] = b"<html>Log in</html>"
    with pytest.raises(PermissionError, match="refused the token for a: "):
        get_local_path("/data/local-files/?d=a")
    assert not cache_dir.exists() or not list(cache_dir.glob("*__*"))


def test_an_address_of_label_studio_without_a_scheme_is_refused(monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_URL", "labelstudio:8080")
    with pytest.raises(ValueError, match="must begin with http"):
        get_local_path("/data/upload/1/a.txt")


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "ftp://h/a", ""])
def test_a_value_that_does_not_name_a_task_file_is_refused(cache_dir, url):
    with pytest.raises(ValueError, match="does not name a file"):
        get_local_path(url)


def test_local_files_are_read_from_a_document_root_on_this_machine(
    tmp_path, cache_dir, monkeypatch
):
    monkeypatch.setattr(tools, "LOCAL_FILES_DOCUMENT_ROOT", str(tmp_path))
    (tmp_path / "a.txt").write_text("body")
    url = "/data/local-files/?d=a.txt"
    assert get_local_path(url) == str(tmp_path / "a.txt")


def test_a_local_file_outside_the_document_root_is_refused(
    tmp_path, label_studio, monkeypatch
):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(tools, "LOCAL_FILES_DOCUMENT_ROOT", str(tmp_path / "root"))
    with pytest.raises((requests.HTTPError, ValueError)):
        get_local_path("/data/local-files/?d=../secret")


@pytest.mark.parametrize("option", ["project_dir", "image_dir"])
def test_uploads_are_read_from_label_studios_folder_on_this_machine(
    tmp_path, cache_dir, option
):
    folder = tmp_path / "upload" if option == "project_dir" else tmp_path
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "a.txt").write_text("body")
    found = get_local_path("/data/upload/1/a.txt", **{option: str(tmp_path)})
    assert found == str(folder / "1" / "a.txt")


def test_an_upload_outside_the_folder_is_refused(tmp_path, label_studio):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "upload").mkdir()
    with pytest.raises(requests.HTTPError):
        get_local_path("/data/upload/../secret", image_dir=str(tmp_path / "upload"))


def test_a_missing_file_is_an_http_error(label_studio):
    with pytest.raises(requests.HTTPError, match="404"):
        get_local_path("/data/upload/1/a.txt")


def test_without_download_only_the_path_is_returned(label_studio):
    path = get_local_path("/data/local-files/?d=a.txt", download_resources=False)
    assert not Path(path).exists()
    assert label_studio.requests == []


def test_fetching_from_a_slow_server_stops_at_the_time_limit(label_studio, monkeypatch):
    monkeypatch.setattr("label_studio_ml.files.TIME_LIMIT_S", -1)
    label_studio.answers["/data/local-files/?d=a"] = b"body"
    with pytest.raises(TimeoutError, match="took more than"):
        get_local_path("/data/local-files/?d=a")


def test_a_model_and_the_older_helper_return_the_same_path(label_studio, monkeypatch):
    label_studio.answers["/data/local-files/?d=a.jpg"] = b"body"
    url = "/data/local-files/?d=a.jpg"
    model = LabelStudioMLBase()
    path = model.get_local_path(url, ls_access_token="mine")
    assert label_studio.requests[0][1]["Authorization"] == "Token mine"
    assert get_image_local_path(url) == path
