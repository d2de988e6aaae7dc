"""Creates audit rows for the tests of this folder."""

import hashlib
from contextlib import contextmanager

import psycopg
from django.db import connection, transaction
from django.utils import timezone

from lsml.audit import chain
from lsml.audit.grants import grant_rights
from lsml.audit.models import Prediction, Seal, WebhookEvent

# Of a prediction: the columns without a default, and values for them.
COLUMNS = (
    "request_id, client, created_at, model_version, kind, outcome, input_digest,"
    " latency_ms, batch_size, error",
    "'request-1', 'test', now(), 'v1', 'batch', 'ok', '', 1, 1, ''",
)


def another_connection():
    """A plain connection to the test database, for open transactions."""
    facts = connection.get_connection_params()
    keep = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(**{key: facts[key] for key in keep if facts.get(key)})


def a_prediction(**facts):
    """Return an unsaved row; columns that a test does not name get usual values."""
    return Prediction(
        **{
            "request_id": "request-1",
            "client": "test",
            "project_pk": 1,
            "created_at": timezone.now(),
            "task_id": 7,
            "model_version": "v1",
            "kind": "batch",
            "outcome": "ok",
            "score": 0.1,
            "result": [{"type": "choices", "value": {"choices": ["é"]}}],
            "input_digest": "0" * 64,
            "latency_ms": 12.5,
            "batch_size": 1,
            **facts,
        }
    )


def predict(number=1, **facts):
    """Write rows in a transaction of their own, and return them."""
    Prediction.objects.bulk_create(a_prediction(**facts) for _ in range(number))
    return list(Prediction.objects.order_by("-pk")[:number])[::-1]


def hear(action="ANNOTATION_CREATED", **facts):
    """Write an event."""
    return WebhookEvent.objects.create(
        **{
            "request_id": "request-2",
            "client": "test",
            "project_pk": 1,
            "received_at": timezone.now(),
            "action": action,
            "task_id": 7,
            "annotation_ids": [1, 2],
            "payload": {"a": 1},
            "digest": "1" * 64,
            **facts,
        }
    )


def generate(number):
    """Write many predictions fast, over a hundred transactions' worth of tasks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_prediction (request_id, client, project_pk, created_at,"
            " task_id, model_version, kind, outcome, score, result, input_digest,"
            " latency_ms, batch_size, error)"
            " SELECT md5(g::text), 'test', g %% 3, now(), g, 'v' || g %% 5, 'batch',"
            " 'ok', random(), jsonb_build_array(jsonb_build_object('n', g)), md5(''),"
            " 1 + random() * 100, 1, '' FROM generate_series(1, %s) g",
            [number],
        )


def move_to_another_cluster():
    """Have the seals look as if a dump of another cluster had been restored here."""
    previous = chain.START
    for seal in Seal.objects.order_by("number"):
        facts = {name: getattr(seal, name, None) for name in chain.SEALED_FIELDS}
        digest = chain.seal_digest(
            facts
            | {
                "system_identifier": 4711,
                "locator_digest": hashlib.sha256(seal.locator).hexdigest(),
                "sealed_at": chain.microseconds(seal.sealed_at),
                "previous_digest": previous,
            }
        )
        as_superuser(
            "UPDATE audit_seal SET system_identifier = 4711,"
            f" previous_digest = '{previous}', digest = '{digest}'"
            f" WHERE number = {seal.number}"
        )
        previous = digest


@contextmanager
def as_service(*also):
    """Act as a role with the rights of the service; undone at the end.

    Args:
        *also: Statements that an administrator executes before.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE service")
        grant_rights("service")
        for statement in also:
            cursor.execute(statement)
        cursor.execute("SET LOCAL SESSION AUTHORIZATION service")
        yield cursor
        transaction.set_rollback(True)


def as_superuser(*statements):
    """Execute what the triggers forbid, as the tables' owner or a superuser could."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
            " WHERE tgfoid IN ('audit_forbid_change'::regproc,"
            " 'audit_forbid_forgery'::regproc) AND tgparentid = 0"
        )
        triggers = cursor.fetchall()
        for table, trigger in triggers:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        for statement in statements:
            cursor.execute(statement)
        for table, trigger in triggers:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
