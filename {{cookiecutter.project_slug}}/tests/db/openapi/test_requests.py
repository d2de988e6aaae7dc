"""Requests generated from the OpenAPI document get the answers that it describes.

In a folder of their own, because schemathesis and the document take each process two
seconds when they are imported.
"""

from functools import cache, partial

import pytest
import schemathesis
from django.contrib.auth.models import Group, User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from knox.models import AuthToken
from rest_framework.throttling import UserRateThrottle
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from tests.db.test_fuzz import PATHS

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# pytest's fixtures live longer than one example; the database is rolled back at the
# end, and no example depends on another.
_EXAMPLES = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


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


@_described("/health", *(f"/{path}" for path in PATHS)).parametrize()
@settings(_EXAMPLES, max_examples=200)
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
@settings(_EXAMPLES, max_examples=20)
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
