"""No body makes a 500. For requests as the document has them: tests/db/openapi."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
PATHS = [
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


@pytest.mark.parametrize("path", PATHS)
@_QUICK
@given(body=_JSON | _WORDS)
def test_any_json_is_answered_or_refused_with_a_sentence(api, constant, path, body):
    reply = api.post(f"/{path}", json.dumps(body), content_type="application/json")
    assert reply.status_code < 500, reply.content
    if reply.status_code >= 400:
        assert set(reply.json()) == {"detail", "code", "field", "request_id"}


@pytest.mark.parametrize("path", PATHS)
@_QUICK
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(api, constant, path, body):
    reply = api.post(f"/{path}", body, content_type="application/json")
    assert reply.status_code < 500, reply.content


@pytest.mark.parametrize("depth", [200, 1000, 100_000])
@pytest.mark.parametrize("path", PATHS)
def test_json_nested_however_deep_is_refused_or_kept(api, constant, path, depth):
    nested = '{"action": "X", "tasks": ' + "[" * depth + "]" * depth + "}"
    reply = api.post(f"/{path}", nested, content_type="application/json")
    assert reply.status_code < 500, reply.content[:300]
