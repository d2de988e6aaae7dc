"""The client of Label Studio's API, with a transport that answers like it."""

import json
from datetime import UTC, datetime

import httpx
import jwt
import pytest

from lsml.labelstudio.client import IMPORT_TIMEOUT_S, LabelStudio
from lsml.labelstudio.failures import (
    BackendRefused,
    InvalidTask,
    LabelStudioError,
    LegacyTokensDisabled,
    LocalAddressBlocked,
    NoSuchThing,
    OutcomeUnknown,
    RedirectedElsewhere,
    Unreachable,
    WrongKey,
)
from tests.http_stub import http_stub

URL = "http://studio.example/prefix"
FAR = 4_000_000_000  # Unix seconds


def studio(answer, *, api_key="0123456789abcdef"):
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return LabelStudio(url=URL, api_key=api_key, http=http)


def answering(status, body):
    return studio(lambda request: httpx.Response(status, json=body))


def token(**claims):
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def test_a_legacy_token_is_sent_unchanged():
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, json={"id": 1})

    assert studio(answer).project(1) == {"id": 1}
    assert str(seen[0].url) == f"{URL}/api/projects/1/"
    assert seen[0].headers["Authorization"] == "Token 0123456789abcdef"


@pytest.mark.filterwarnings("ignore:The `parse_obj`")  # the SDK's own
def test_a_personal_access_token_is_exchanged_once_for_a_short_lived_one():
    personal, short = token(exp=FAR, token_type="refresh"), token(exp=FAR)
    seen = []

    def answer(request):
        seen.append(request.url.path)
        if request.url.path.endswith("/api/token/refresh/"):
            assert json.loads(request.content) == {"refresh": personal}
            return httpx.Response(200, json={"access": short})
        assert request.headers["Authorization"] == f"Bearer {short}"
        return httpx.Response(200, json={})

    client = studio(answer, api_key=personal)
    client.project(1)
    client.project(2)
    assert seen == [
        "/prefix/api/token/refresh/",
        "/prefix/api/projects/1/",
        "/prefix/api/projects/2/",
    ]


def test_a_revoked_personal_access_token_is_a_wrong_key():
    client = studio(
        lambda request: httpx.Response(401, json={"detail": "Token is blacklisted"}),
        api_key=token(exp=FAR, token_type="refresh"),
    )
    with pytest.raises(WrongKey):
        client.project(1)


def test_an_expired_personal_access_token_is_a_wrong_key():
    with pytest.raises(WrongKey):
        studio(lambda request: None, api_key=token(exp=1, token_type="refresh"))


@pytest.mark.parametrize(
    "elsewhere",
    ["http://other.example", "http://studio.example:8080", "https://studio.example"],
)
@pytest.mark.parametrize("personal", [True, False])
def test_a_redirect_to_another_origin_is_an_error_without_the_token(
    elsewhere, personal
):
    hosts = []

    def answer(request):
        hosts.append(request.url.host)
        moved = elsewhere + request.url.path
        return httpx.Response(307, headers={"Location": moved})

    http = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    key = token(exp=FAR, token_type="refresh") if personal else "0123456789abcdef"
    client = LabelStudio(url=URL, api_key=key, http=http)
    with pytest.raises(RedirectedElsewhere, match=elsewhere) as refusal:
        client.project(1)
    assert hosts == ["studio.example"]
    assert "LABEL_STUDIO_URL" in refusal.value.next_step


def test_a_redirect_within_label_studios_api_is_followed():
    def answer(request):
        if request.url.path.endswith("/1/"):
            return httpx.Response(302, headers={"Location": f"{URL}/api/there"})
        return httpx.Response(200, json={"id": 1})

    http = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    assert LabelStudio(url=URL, api_key="0123", http=http).project(1) == {"id": 1}


@pytest.mark.parametrize(
    "there",
    [
        "{ls}/there",
        "{ls}/prefixx/api/",
        "{ls}/prefix/user/login/",
        "{ls}/prefix/api/../../there",
        "{ls}/prefix/api/%2e%2e/%2e%2e/there",
        "{ls}/prefix/api/%252e%252e/there",
        "{ls}/prefix/api/..%2f..%2fthere",
        "{ls}/prefix/api/..%5c..%5cthere",
        "{ls}/prefix/api/..;/there",
        "{ls}//prefix/api/",
        "../../../../there",
        "//{other_host}/prefix/api/",
        "{other}/prefix/api/",
        "http://{ls_host}@{other_host}/prefix/api/",
        "http://{other_host}\\@{ls_host}/prefix/api/",
        "http://localhost:{ls_port}/prefix/api/",
        "https://{ls_host}/prefix/api/",
    ],
)
@pytest.mark.parametrize("personal", [True, False])
def test_a_redirect_out_of_label_studios_api_is_an_error_without_the_token(
    there, personal
):
    key = token(exp=FAR, token_type="refresh") if personal else "0123456789abcdef"
    first = "/prefix/api/token/refresh/" if personal else "/prefix/api/projects/1/"
    with http_stub() as ls, http_stub() as other:
        location = there.format(
            ls=ls.url,
            ls_host=ls.url.removeprefix("http://"),
            ls_port=ls.port,
            other=other.url,
            other_host=other.url.removeprefix("http://"),
        )
        ls.answers[first] = (307, {"Location": location}, b"")
        client = LabelStudio(url=f"{ls.url}/prefix", api_key=key)
        with pytest.raises(LabelStudioError) as refusal:
            client.project(1)
        assert (ls.paths, other.requests) == ([first], [])
        assert key not in str(refusal.value)


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.add_webhook({"headers": {"X-Webhook-Token": "hidden"}}),
        lambda client: list(client.pages(1)),
        lambda client: client.import_predictions(1, b'[{"task": 1, "result": []}]'),
    ],
    ids=["connect", "sync", "predict"],
)
def test_no_command_sends_anything_to_where_label_studio_redirects(send):
    with http_stub() as ls, http_stub() as other:
        moved = 307, {"Location": f"{other.url}/api/"}, b""
        for path in ("webhooks/", "tasks/", "projects/1/import/predictions"):
            ls.answers[f"/api/{path}"] = moved
        client = LabelStudio(url=ls.url, api_key="0123456789abcdef")
        with pytest.raises(RedirectedElsewhere):
            send(client)
        assert (len(ls.requests), other.requests) == (1, [])


@pytest.mark.parametrize(
    "url", ["http://me:hidden@studio.example", "studio.example:80", "http://a:b", ""]
)
def test_an_address_with_credentials_or_without_a_host_is_refused(url):
    with pytest.raises(LabelStudioError, match="cannot be used") as refusal:
        LabelStudio(url=url, api_key="0123456789abcdef")
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("key", ["0123\n4567", "0123 4567", "0123\u20264567", " "])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key):
    with pytest.raises(LabelStudioError, match="The API key contains") as refusal:
        LabelStudio(url=URL, api_key=key)
    assert "0123" not in str(refusal.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"detail": "Invalid token."}, WrongKey),
        (
            401,
            {"detail": "legacy token authentication has been disabled"},
            LegacyTokensDisabled,
        ),
        (404, {"detail": "Not found."}, NoSuchThing),
        (
            403,
            {"detail": "URL resolves to a reserved network address"},
            LocalAddressBlocked,
        ),
        (
            400,
            {
                "validation_errors": {
                    "non_field_errors": ["… authentication parameters …"]
                }
            },
            BackendRefused,
        ),
        (
            400,
            {"validation_errors": {"non_field_errors": ["<b>health check failed</b>"]}},
            BackendRefused,
        ),
        (500, {"detail": "boom"}, LabelStudioError),
        (400, [], LabelStudioError),
        (400, "x", LabelStudioError),
    ],
)
def test_each_refusal_has_its_own_error_and_next_step(status, body, kind):
    client = studio(lambda request: httpx.Response(status, json=body))
    client._api._sdk._client_wrapper.httpx_client.base_max_retries = 0
    with pytest.raises(LabelStudioError) as refusal:
        client.project(1)
    assert type(refusal.value) is kind
    assert refusal.value.next_step.endswith((".", "/."))
    assert "<b>" not in str(refusal.value)


def test_a_failed_connection_is_unreachable():
    def refuse(request):
        raise httpx.ConnectError("Connection refused")

    client = studio(refuse)
    client._api._sdk._client_wrapper.httpx_client.base_max_retries = 0
    with pytest.raises(Unreachable, match="Connection refused"):
        client.project(1)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]"])
def test_another_answer_is_not_label_studio(body):
    client = studio(lambda request: httpx.Response(200, content=body))
    with pytest.raises(LabelStudioError, match="not Label Studio"):
        client.project(1)


def paged(ids, seen):
    def answer(request):
        query = json.loads(request.url.params["query"])
        items = query["filters"]["items"]
        seen.append({item["filter"]: item["value"] for item in items})
        left = [number for number in ids if number > items[0]["value"]]
        size = int(request.url.params["page_size"])
        page = [{"id": number} for number in left[:size]]
        return httpx.Response(200, json={"tasks": page, "total": len(left)})

    return answer


def test_pages_continue_after_the_last_task_seen_and_give_the_number_left():
    seen = []
    pages = list(studio(paged(range(1, 8), seen)).pages(1, page_size=3))
    assert [[task["id"] for task in page] for page, _ in pages] == [
        [1, 2, 3],
        [4, 5, 6],
        [7],
    ]
    assert [left for _, left in pages] == [4, 1, 0]
    assert [query["filter:tasks:id"] for query in seen] == [0, 3, 6]


def test_an_interrupted_sync_continues_where_it_stopped():
    pages = list(studio(paged(range(1, 8), [])).pages(1, after=5))
    assert [[task["id"] for task in page] for page, _ in pages] == [[6, 7]]


def test_since_is_sent_in_the_format_label_studio_reads():
    seen = []
    since = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    list(studio(paged([1], seen)).pages(1, since=since))
    assert seen[0]["filter:tasks:updated_at"] == "2026-11-23T12:00:00.000000Z"


def test_a_project_without_tasks_has_no_pages():
    assert list(studio(paged([], [])).pages(1)) == []


def test_versions_are_those_of_stored_predictions():
    def answer(request):
        assert request.url.path == "/prefix/api/projects/1/model-versions/"
        assert request.url.params["extended"] == "true"
        counted = [{"model_version": "v1", "count": 3, "latest": None}]
        return httpx.Response(200, json={"static": counted, "live": None})

    assert studio(answer).prediction_versions(1) == {"v1": 3}


def test_only_the_given_settings_of_a_project_are_changed():
    seen = []

    def answer(request):
        seen.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={})

    studio(answer).change_project(1, {"model_version": "lsml"})
    body = {"model_version": "lsml"}
    assert seen == [("PATCH", "/prefix/api/projects/1/", body)]


@pytest.mark.parametrize("last", [{}, {"id": "x"}, "x"])
def test_a_page_whose_last_task_has_no_id_is_refused(last):
    answers = answering(200, {"tasks": [{"id": 1}, last], "total": 5})
    with pytest.raises(LabelStudioError, match="not Label Studio"):
        list(answers.pages(1))


def test_webhooks_of_the_whole_organisation_are_left_out():
    hooks = [{"id": 1, "project": 1}, {"id": 2, "project": None}]
    assert answering(200, hooks).webhooks(1) == hooks[:1]


def importing(status, body, seen=None):
    def answer(request):
        if seen is not None:
            seen.append(request)
        if isinstance(body, Exception):
            raise body
        return httpx.Response(status, json=body)

    return studio(answer).import_predictions(1, b"[]")


def test_an_import_says_how_many_predictions_were_stored():
    seen = []
    assert importing(201, {"created": 7}, seen) == 7
    assert seen[0].headers["Content-Type"] == "application/json"
    assert seen[0].extensions["timeout"]["read"] == IMPORT_TIMEOUT_S


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, {"detail": "later"}) for status in (408, 409, 429, 500, 502, 504)),
        (200, {}),
        (0, httpx.ReadTimeout("timed out")),
        (0, httpx.RemoteProtocolError("disconnected")),
    ],
)
def test_an_import_that_may_be_stored_is_said_to_be_unknown_and_not_repeated(
    status, body
):
    seen = []
    with pytest.raises(OutcomeUnknown):
        importing(status, body, seen)
    assert len(seen) == 1


def test_an_import_that_was_not_received_is_known_not_to_be_stored():
    with pytest.raises(Unreachable):
        importing(0, httpx.ConnectError("refused"))


def test_an_import_that_a_proxy_refused_is_known_not_to_be_stored():
    with pytest.raises(LabelStudioError, match="answered 413") as refused:
        importing(413, None)
    assert not isinstance(refused.value, OutcomeUnknown)


def removing(status, body, seen=None):
    def answer(request):
        if seen is not None:
            seen.append(request)
        if isinstance(body, Exception):
            raise body
        return httpx.Response(status, json=body)

    return studio(answer).delete_predictions(1, "v1")


def test_a_removal_says_how_many_predictions_there_were():
    seen = []
    assert removing(200, {"deleted_predictions": 7}, seen) == 7
    assert removing(200, {"deleted_predictions": 0}) == 0
    assert json.loads(seen[0].content) == {"model_version": "v1"}
    assert seen[0].method == "DELETE"
    assert seen[0].extensions["timeout"]["read"] == IMPORT_TIMEOUT_S


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, None),
        (504, {"message": "Endpoint request timed out"}),
        (200, {}),
        (0, httpx.ReadTimeout("timed out")),
        (0, httpx.RemoteProtocolError("disconnected")),
    ],
)
def test_a_removal_that_may_go_on_is_said_to_be_unknown_and_not_repeated(status, body):
    seen = []
    with pytest.raises(OutcomeUnknown):
        removing(status, body, seen)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (0, httpx.ConnectError("refused")),
        (500, {"status_code": 500, "detail": "database is locked"}),
        (404, {"detail": "Not found."}),
    ],
)
def test_a_removal_that_does_not_take_place_is_known_to_have_failed(status, body):
    with pytest.raises(LabelStudioError) as failed:
        removing(status, body)
    assert not isinstance(failed.value, OutcomeUnknown)


def test_a_task_that_the_project_lacks_is_found_behind_a_long_prediction():
    text = f'{"x" * 5_000} contains invalid "task" field: corresponding task ID'
    body = {"detail": "", "validation_errors": {"non_field_errors": [text]}}
    with pytest.raises(InvalidTask):
        importing(400, body)
    with pytest.raises(LabelStudioError, match="answered 400"):
        importing(400, {"detail": "not JSON"})
