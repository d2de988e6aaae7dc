"""A project with two trained versions, made by the service's own functions."""

from dataclasses import dataclass

from django.db import connection

from lsml.audit import sealing
from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.observability.origin import Origin
from lsml.registry.models import ModelVersion, Promotion
from lsml.registry.services import promote
from lsml.training.inbox.events import apply_waiting
from lsml.training.models import TrainingRun
from lsml.training.outcomes import fail, succeed
from lsml.training.process.inputs import take_inputs
from lsml.training.runs import claim_run, open_run
from tests.db.audit.rows import as_superuser, predict
from tests.db.training.conftest import LabelStudio


@dataclass
class History:
    """Primary keys of what happened, oldest first."""

    project: int
    rows: list[int]  # predictions: four, four, and four in the last seal
    txids: list[int]
    events: list[int]
    versions: list[int]
    runs: list[int]  # the third failed
    promotions: list[int]
    entries: list[int]


def train(project, *, accuracy):
    """Open a run, and end it as the supervisor does; None = it fails."""
    run, attempt = _claimed(project)
    take_inputs(run_id=run.pk, fence=run.fence)
    if accuracy is None:
        fail(run, attempt, "ValueError: too few labels")
        return
    artifact = {"key": attempt.artifact_key, "sha256": "a" * 64, "size": 10_240}
    metrics = {"accuracy": accuracy, "loss": 0.5}
    succeed(run, attempt, {"metrics": metrics, "artifact": artifact})


def _claimed(project):
    opened = open_run(project=project, trigger="annotations", requested_by="policy")
    return claim_run(opened.pk)


def make_history():
    """Two versions, a failed run, four promotions; all rows sealed, in three passes."""
    studio = LabelStudio()
    studio.annotate(1)
    studio.annotate(2)
    project = studio.project
    apply_waiting(project)
    train(project, accuracy=0.8)
    predict(4, project_pk=project.pk)
    sealing.seal()
    studio.annotate(3)
    train(project, accuracy=0.9)
    train(project, accuracy=None)
    for number in (1, 2):
        promote(
            project=project,
            version=ModelVersion.objects.get(number=number),
            actor="olga",
            reason="comparing",
            origin=Origin("request-3", "test"),
        )
    studio.annotate(4)
    apply_waiting(project)
    predict(4, project_pk=project.pk)
    sealing.seal()
    predict(4, project_pk=project.pk)
    sealing.seal()
    return _history(project)


def _history(project):
    def keys(model):
        return list(model.objects.order_by("pk").values_list("pk", flat=True))

    predictions = Prediction.objects.order_by("pk").extra(select={"txid": "txid"})
    return History(
        project=project.pk,
        rows=keys(Prediction),
        txids=list(predictions.values_list("txid", flat=True)),
        events=keys(WebhookEvent),
        versions=keys(ModelVersion),
        runs=keys(TrainingRun),
        promotions=keys(Promotion),
        entries=keys(AuditEntry),
    )


def saved():
    """Return the rows of all tables that have any, as JSON."""
    tables = _rows(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname ~ '^(audit|registry|dataset|training)_'"
        " AND relnamespace = current_schema()::regnamespace"
    )
    return {
        table: rows
        for (table,) in tables
        for (rows,) in _rows(f"SELECT jsonb_agg(to_jsonb(t))::text FROM {table} t")
        if rows
    }


def restore(rows):
    """Write saved rows into empty tables, with their ids and transaction numbers."""
    as_superuser(
        "SET session_replication_role = replica",
        *(
            f"INSERT INTO {table} SELECT * FROM"
            f" jsonb_populate_recordset(NULL::{table}, $json${text}$json$)"
            for table, text in rows.items()
        ),
        "RESET session_replication_role",
        "SELECT setval('audit_seal_number_seq', max(number)) FROM audit_seal",
    )


def _rows(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
