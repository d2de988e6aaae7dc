"""Who may do what in the operators' API."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from knox.models import AuthToken
from rest_framework.test import APIClient

from lsml.audit.models import AuditEntry
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.training.models import TrainingRun
from tests.db.api_v1.test_lists import LISTS

pytestmark = pytest.mark.django_db


def token_of(name="ana", password="correct horse", **more):
    return APIClient().post(
        "/api/v1/tokens",
        {"username": name, "password": password, **more},
        format="json",
    )


def bearer(token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.mark.parametrize("name", LISTS)
def test_reading_needs_a_login(name):
    reply = APIClient().get(f"/api/v1/{name}")
    assert reply.status_code == 401
    assert reply.json()["request_id"]


def test_label_studios_credentials_are_refused_here(settings):
    settings.BASIC_AUTH_CREDENTIALS = [("ls", "secret")]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Basic bHM6c2VjcmV0")
    assert client.get("/api/v1/predictions").status_code == 401


def test_refused_credentials_are_recorded_once_a_minute(settings, api):
    settings.BASIC_AUTH_CREDENTIALS = [("ls", "secret")]
    for _ in range(3):
        api.get("/health", HTTP_AUTHORIZATION="Basic bHM6d3Jvbmctb25l")
    api.get("/health", HTTP_AUTHORIZATION="Basic b3RoZXI6c2VjcmV0")
    rows = [
        (row.actor, row.verb, row.target) for row in AuditEntry.objects.order_by("pk")
    ]
    assert rows == [
        ("ls", "credentials refused", "/health"),
        ("somebody", "credentials refused", "/health"),
    ]


def test_a_user_without_a_group_may_not_read(person, client_of):
    assert client_of(person()).get("/api/v1/predictions").status_code == 403


@pytest.mark.parametrize("group", ["viewer", "operator", "auditor", "admin"])
def test_every_group_may_read(person, client_of, group):
    assert client_of(person(group)).get("/api/v1/predictions").status_code == 200


@pytest.mark.parametrize(
    ("group", "status"), [("viewer", 403), ("operator", 200), ("auditor", 200)]
)
def test_only_operators_and_auditors_export_a_list(person, client_of, group, status):
    reply = client_of(person(group)).get("/api/v1/predictions?format=csv")
    assert reply.status_code == status
    recorded = AuditEntry.objects.filter(verb="list exported", actor="ana").count()
    assert recorded == (status == 200)


def test_a_token_is_created_used_listed_and_revoked(person):
    person("viewer")
    made = token_of(days=1)
    assert made.status_code == 201
    client = bearer(made.json()["token"])
    assert client.get("/api/v1/predictions").status_code == 200
    [listed] = client.get("/api/v1/tokens").json()
    assert "token" not in listed
    key = listed["token_key"]
    assert client.delete(f"/api/v1/tokens/{key}").status_code == 204
    assert client.get("/api/v1/predictions").status_code == 401
    assert [row.verb for row in AuditEntry.objects.order_by("pk")] == [
        "token made",
        "token revoked",
    ]


def test_only_the_digest_of_a_token_is_stored(person):
    person("viewer")
    token = token_of().json()["token"]
    assert token not in str(list(AuthToken.objects.values()))
    assert token not in str(list(AuditEntry.objects.values()))


def test_an_expired_token_is_refused(person):
    person("viewer")
    client = bearer(token_of().json()["token"])
    AuthToken.objects.update(expiry=timezone.now())
    assert client.get("/api/v1/predictions").status_code == 401


def test_a_user_cannot_revoke_the_token_of_another_user(person):
    person("viewer")
    person("viewer", "eve")
    key = token_of().json()["token_key"]
    eve = bearer(token_of("eve").json()["token"])
    assert eve.delete(f"/api/v1/tokens/{key}").status_code == 404
    assert len(eve.get("/api/v1/tokens").json()) == 1


def test_a_wrong_password_creates_no_token_and_is_recorded(person):
    person("viewer")
    assert token_of(password="wrong-password").status_code == 401
    assert not AuthToken.objects.exists()
    [entry] = AuditEntry.objects.all()
    assert entry.verb == "login refused"
    assert "wrong-password" not in str(vars(entry))


def test_guessing_passwords_is_throttled(person):
    person("viewer")
    statuses = {token_of(name=f"n{i}", password="x").status_code for i in range(12)}
    assert statuses == {401, 429}


def test_an_invented_address_does_not_evade_the_limit_of_logins(api):
    statuses = {
        api.post(
            "/api/v1/tokens",
            {"username": f"n{i}", "password": "x"},
            format="json",
            HTTP_X_FORWARDED_FOR=f"192.0.2.{i}",
        ).status_code
        for i in range(12)
    }
    assert statuses == {401, 429}


def test_only_operators_cancel_a_run(person, client_of):
    project = Project.objects.create(labelstudio_id=1)
    run = TrainingRun.objects.create(
        project=project, trigger="person", requested_by="x", created_at=timezone.now()
    )
    url = f"/api/v1/runs/{run.pk}/cancel"
    viewer, operator = client_of(person("viewer")), client_of(person("operator", "op"))
    assert viewer.post(url, {"reason": "x"}, format="json").status_code == 403
    assert operator.post(url, {}, format="json").status_code == 400
    reply = operator.post(url, {"reason": "wrong data"}, format="json")
    assert (reply.status_code, reply.json()["cancel_reason"]) == (200, "wrong data")


@pytest.mark.django_db(transaction=True)  # it loads in a thread of its own
def test_a_promotion_by_an_operator_records_the_reason(person, client_of, constant):
    project = Project.objects.create(labelstudio_id=1)
    version = ModelVersion.objects.create(
        project=project, number=1, version="v1", created_at=timezone.now()
    )
    url = f"/api/v1/versions/{version.pk}/promote"
    operator = client_of(person("operator", "op"))
    reply = operator.post(url, {"reason": "better"}, format="json")
    assert (reply.status_code, reply.json()["to_version"]) == (200, "v1")
    promotion = Promotion.objects.get()
    assert (promotion.actor, promotion.reason) == ("op", "better")
    assert promotion.request_id == reply.headers["X-Request-ID"]
    version.state = "archived"
    version.save()
    reply = operator.post(url, {"reason": "again"}, format="json")
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")


def test_many_requests_are_throttled(viewer, settings, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "rate", "2/min", raising=False)
    statuses = [viewer.get("/api/v1/runs").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_the_document_describes_the_lists_with_examples():
    text = APIClient().get("/api/v1/schema").content.decode()
    assert "/api/v1/predictions" in text
    assert "PredictionPage" in text
    assert "One row" in text or "OneRow" in text


def test_the_documentation_pages_load_nothing_from_other_hosts():
    page = APIClient().get("/api/v1/docs").content.decode()
    assert "http://" not in page
    assert "https://" not in page
    assert "/static/drf_spectacular_sidecar/" in page


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_document_is_valid_openapi(document):
    validate_schema(document)
    assert document["openapi"].startswith("3.1")


def test_the_document_is_written_without_a_warning(tmp_path):
    file = str(tmp_path / "openapi.yaml")
    call_command("spectacular", "--validate", "--fail-on-warn", file=file)


JOBS = ["runs", "prediction-jobs", "audit-jobs"]


@pytest.mark.parametrize("name", JOBS)
def test_the_document_names_every_answer_to_a_change_of_a_job(document, name):
    paths = document["paths"]
    cancel = paths[f"/api/v1/{name}/{{id}}/cancel"]["post"]["responses"]
    retry = paths[f"/api/v1/{name}/{{id}}/retry"]["post"]["responses"]
    assert {"200", "400", "401", "403", "404", "409"} <= cancel.keys()
    assert {"201", "401", "403", "404", "409"} <= retry.keys()
    assert "200" not in retry
    start = paths[f"/api/v1/{name}"].get("post", {"responses": {}})["responses"]
    assert ("201" in start) == (name != "runs")
    assert ("409" in start) == (name == "prediction-jobs")


@pytest.mark.parametrize("name", JOBS)
def test_the_example_of_a_job_has_all_its_columns(document, name):
    one = document["paths"][f"/api/v1/{name}/{{id}}"]["get"]["responses"]["200"]
    content = one["content"]["application/json"]
    [example] = content["examples"].values()
    component = content["schema"]["$ref"].rsplit("/", 1)[1]
    columns = document["components"]["schemas"][component]["properties"]
    assert example["value"].keys() == columns.keys()


def test_a_token_that_is_not_text_is_refused(db):
    assert bearer("\xe9" * 40).get("/api/v1/predictions").status_code == 401


def test_a_token_key_with_a_nul_character_does_not_exist(person):
    person("viewer")
    client = bearer(token_of().json()["token"])
    reply = client.delete("/api/v1/tokens/%00")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_a_blocked_login_is_answered_in_json(person, settings):
    person("viewer")
    settings.AXES_FAILURE_LIMIT = 2
    replies = [token_of(password="wrong-password") for _ in range(3)]
    assert replies[-1].status_code == 429
    assert replies[-1].json()["code"] == "locked_out"
    assert replies[-1].json()["request_id"] == replies[-1].headers["X-Request-ID"]


def test_a_new_password_revokes_the_tokens(person):
    user = person("viewer")
    person("viewer", "eve")
    client, eve = (bearer(token_of(name).json()["token"]) for name in ("ana", "eve"))
    user.set_password("another horse")
    user.save()
    assert client.get("/api/v1/predictions").status_code == 401
    assert eve.get("/api/v1/predictions").status_code == 200


def test_a_login_that_stores_a_newer_hash_revokes_no_token(person, settings):
    person("viewer")
    client = bearer(token_of().json()["token"])
    newer = "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher"
    settings.PASSWORD_HASHERS = [newer, *settings.PASSWORD_HASHERS]
    assert token_of().status_code == 201
    assert User.objects.get().password.startswith("pbkdf2_sha1")
    assert client.get("/api/v1/predictions").status_code == 200


@pytest.mark.parametrize("name", ["docs", "schema"])
def test_errors_of_the_documents_have_the_shape_of_all_errors(db, name):
    reply = APIClient().delete(f"/api/v1/{name}")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
