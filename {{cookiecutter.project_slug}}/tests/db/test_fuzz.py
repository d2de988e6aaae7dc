"""No input makes a 500: neither random bodies nor what the OpenAPI document allows."""

import json
from functools import cache, partial

import pytest
import schemathesis
from django.contrib.auth.models import Group, User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from knox.models import AuthToken
from rest_framework.throttling import UserRateThrottle
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.django_db

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
_NAMES = [
    *("project", "schema", "label_config", "tasks", "params", "hostname", "action"),
    *("extra_params", "annotation", "annotations", "task", "job", "project_src"),
    *("project_dst", "config", "id", "data", "context"),
]
# The words Label Studio uses, filled with anything: gets past the first check.
_WORDS = st.dictionaries(
    st.sampled_from(_NAMES),
    _JSON,
    max_size=6,
)
_PATHS = [
    "setup",
    "predict",
    "webhook",
    "train",
    "validate",
    "versions",
    "job_status",
    "duplicate_model",
    "delete",
]
# pytest's fixtures live longer than one example; the database is rolled back at the
# end, and no example depends on another.
_QUICK = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("path", _PATHS)
@_QUICK
@given(body=_JSON | _WORDS)
def test_any_json_is_answered_or_refused_with_a_sentence(api, constant, path, body):
    reply = api.post(f"/{path}", json.dumps(body), content_type="application/json")
    assert reply.status_code < 500, reply.content
    if reply.status_code >= 400:
        assert set(reply.json()) == {"detail", "code", "field", "request_id"}


@pytest.mark.parametrize("path", _PATHS)
@_QUICK
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(api, constant, path, body):
    reply = api.post(f"/{path}", body, content_type="application/json")
    assert reply.status_code < 500, reply.content


@pytest.mark.parametrize("depth", [200, 1000, 100_000])
@pytest.mark.parametrize("path", _PATHS)
def test_json_nested_however_deep_is_refused_or_kept(api, constant, path, depth):
    nested = '{"action": "X", "tasks": ' + "[" * depth + "]" * depth + "}"
    reply = api.post(f"/{path}", nested, content_type="application/json")
    assert reply.status_code < 500, reply.content[:300]


_document = cache(partial(SchemaGenerator().get_schema, request=None, public=True))


def _described(*beginnings):
    """Some endpoints as the OpenAPI document has them, served in-process."""
    document = _document()
    paths = {
        path: item
        for path, item in document["paths"].items()
        if path.startswith(beginnings)
    }
    schema = schemathesis.openapi.from_dict(document | {"paths": paths})
    schema.app = get_wsgi_application()
    schema.config.update(base_url="http://localhost")
    return schema


@pytest.fixture
def one_connection():
    """Requests through the real WSGI handler must not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@_described("/health", *(f"/{path}" for path in _PATHS)).parametrize()
@_QUICK
def test_requests_generated_from_the_document_find_no_error(
    constant, one_connection, case
):
    case.call_and_validate(checks=[not_a_server_error, response_schema_conformance])


@pytest.fixture
def operators_token(one_connection, monkeypatch):
    monkeypatch.setattr(UserRateThrottle, "rate", "1000000/min", raising=False)
    user = User.objects.create_user("olga")
    user.groups.add(Group.objects.get(name="operator"))
    return AuthToken.objects.create(user)[1]


_JOBS = [f"/api/v1/{name}" for name in ("runs", "prediction-jobs", "audit-jobs")]


@_described(*_JOBS, "/api/v1/projects").parametrize()
@settings(_QUICK, max_examples=20)
def test_operators_requests_generated_from_the_document_find_no_error(
    operators_token, case
):
    case.call_and_validate(
        headers={"Authorization": f"Bearer {operators_token}"},
        checks=[
            not_a_server_error,
            status_code_conformance,
            response_schema_conformance,
        ],
    )
