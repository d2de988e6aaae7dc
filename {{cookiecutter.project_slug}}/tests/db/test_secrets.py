"""No secret that comes in appears in a table or a log line."""

import logging
import os
import string

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.scripted import ScriptedModel

pytestmark = pytest.mark.django_db

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/></Choices></View>'
)
_SECRETS = st.text(string.ascii_letters + string.digits, min_size=20, max_size=40)
_PLACES = st.sampled_from(["key", "url", "query", "header", "jwt", "sentence"])


def hidden(secret, place):
    """JSON with the secret in typical places."""
    return {
        "key": {"access_token": secret, "nested": [{"Password": secret}]},
        "url": {"a": f"https://user:{secret}@storage.example/x"},
        "query": {"a": f"https://storage.example/x?X-Amz-Signature={secret}&b=1"},
        "header": {
            "headers": {"Authorization": f"Token {secret}"},
            "b": f"Bearer {secret}",
        },
        "jwt": {"a": f"see eyJhbGciOiJIUzI1.{secret}.{secret}"},
        "sentence": {"a": f"https://user:{secret}@h/?token={secret}"},
    }[place]


def everything_stored():
    """All rows of all tables, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace AND NOT relispartition"
        )
        tables = [row[0] for row in cursor.fetchall()]
        text = []
        for table in tables:
            cursor.execute(
                f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" t"
            )
            text.append(cursor.fetchone()[0])
    return "\n".join(text)


class Ears(logging.Handler):
    """Collects every log record as it would be written."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.heard = []
        self.setFormatter(logging.getLogger().handlers[0].formatter)

    def emit(self, record):
        self.heard.append(self.format(record))


@pytest.fixture
def ears():
    handler = Ears()
    handler.setFormatter(
        next(
            one.formatter
            for one in logging.getLogger().handlers
            if one.formatter and "ProcessorFormatter" in type(one.formatter).__name__
        )
    )
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@settings(
    max_examples=int(os.environ.get("SECRETS_EXAMPLES", "20")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(secret=_SECRETS, place=_PLACES)
def test_a_secret_is_in_no_table_and_no_log(post, api, serve, ears, secret, place):
    serve("tests.models.scripted.ScriptedModel")
    ScriptedModel.answer = ValueError(f"could not fetch {hidden(secret, place)}")
    extra = hidden(secret, place)
    task = {"id": 1, "data": {"text": "x", **extra}, "meta": extra}
    event = {
        "action": "ANNOTATION_CREATED",
        "project": {"id": 1, "title": "t", **extra},
        "task": task,
        "annotation": {
            "id": 1,
            "result": [],
            "updated_at": "2026-11-23T13:00:00Z",
            **extra,
        },
        **extra,
    }
    login = {"login": "u", "password": secret, "context": extra}
    predict = {
        "tasks": [task],
        "project": "1.5",
        "label_config": CONFIG,
        "params": login,
    }
    post("/setup", {"project": "1.5", "schema": CONFIG, "access_token": secret})
    assert post(f"/webhook?token={secret}", event).status_code == 200
    assert post(f"/predict?api_key={secret}", predict).status_code == 500
    post("/webhook", event, HTTP_AUTHORIZATION=f"Bearer {secret}")
    post(
        "/predict",
        predict,
        HTTP_X_WEBHOOK_TOKEN=secret,
        HTTP_COOKIE=f"sessionid={secret}",
    )
    post("/api/v1/tokens", {"username": "ana", "password": secret})
    api.get("/api/v1/predictions", HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert secret not in everything_stored()
    assert secret not in "\n".join(ears.heard)


def test_the_task_itself_is_masked_where_it_is_kept(post, serve, settings):
    settings.AUDIT_INPUTS = "full"
    serve("tests.models.constant.ConstantModel")
    task = {"id": 1, "data": {"text": "https://u:hunter2hunter2@h/x"}}
    body = {"tasks": [task], "project": "1.5", "label_config": CONFIG}
    assert post("/predict", body).status_code == 200
    stored = everything_stored()
    assert "https://***@h/x" in stored
    assert "hunter2hunter2" not in stored


def test_the_search_would_find_a_secret_that_was_stored(post, serve):
    serve("tests.models.constant.ConstantModel")
    post("/webhook", {"action": "TOLD-innocent-word", "project": {"id": 1}})
    assert "TOLD-innocent-word" in everything_stored()
