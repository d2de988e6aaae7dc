"""Ways in which somebody with a superuser's rights changes what is kept.

`test_tampering.py` tries each, and compares them with the table in docs/audit.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from lsml.audit import rollups, sealing
from lsml.audit.fields import first_id_at, moment_of
from lsml.audit.models import Seal
from tests.db.audit.history import History
from tests.db.audit.rows import as_superuser

_HOUR = 3_600_000 << 12  # as a difference of ids


@dataclass(frozen=True)
class Tampering:
    """One way. `finds` is a part of the finding, filled in; None = it is not found."""

    name: str
    do: Callable[[History], object]
    finds: str | None
    with_anchors: str | None = None  # a part of the finding that only anchors add


def sql(*statements):
    """Execute statements; `{h.versions[0]}` and the like are filled in."""

    def tamper(h):
        changes = [statement.format(h=h) for statement in statements]
        no_references = "SET session_replication_role = replica"
        as_superuser(no_references, *changes, "RESET session_replication_role")

    return tamper


def insert(row_id, txid="{h.txids[0]}", table="audit_prediction"):
    """Insert a copy of the table's first row with another id and transaction."""

    def tamper(h):
        values = {"id": row_id, "txid": txid}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} LIMIT 0")
            names = [column.name for column in cursor.description]
        columns = ", ".join(f'"{name}"' for name in names)
        copied = ", ".join(values.get(name, f'"{name}"') for name in names)
        first = f"(SELECT min(id) FROM {table})"
        sql(
            f"INSERT INTO {table} ({columns}) SELECT {copied} FROM {table}"
            f" WHERE id = {first}"
        )(h)

    return tamper


def last_month(h):
    """Insert a row into the partition of the month before."""
    written = moment_of(h.rows[0])
    start = first_id_at(datetime(written.year, written.month, 1, tzinfo=UTC))
    insert(str(start - 1))(h)


def at_a_boundary(h):
    """Insert a row with the first transaction after a seal."""
    first = Seal.objects.filter(table="audit_prediction").order_by("number")[0]
    insert(str(h.rows[3] + 1), str(first.until_txid))(h)


def sealed_old_row(h):
    """Insert a row of an hour ago, and have it sealed."""
    insert(f"{{h.rows[0]}} - {_HOUR}", "pg_current_xact_id()::text::bigint")(h)
    sealing.seal()


def with_its_partition(change):
    """Change the partition that holds the predictions."""

    def tamper(h):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tableoid::regclass::text FROM audit_prediction LIMIT 1"
            )
            [name] = cursor.fetchone()
            cursor.execute(change.replace("PARTITION_NAME", name))

    return tamper


def and_seal_again(*changes):
    """Change rows, then compute all seals and hourly counts anew, from the first."""

    def tamper(h):
        sql(
            *changes,
            "DELETE FROM audit_seal",
            "DELETE FROM audit_predictionhour",
            "DELETE FROM audit_eventhour",
            "SELECT setval('audit_seal_number_seq', 1, false)",
        )(h)
        sealing.seal()

    return tamper


LAST_SEAL = "DELETE FROM audit_seal WHERE number = (SELECT max(number) FROM audit_seal)"
ITS_ROWS = "DELETE FROM audit_prediction WHERE id >= {h.rows[8]}"
RESET = (
    "SELECT setval('audit_seal_number_seq', (SELECT max(number) FROM audit_seal))",
    "DELETE FROM audit_predictionhour",
)


def remove_the_end_without_a_trace(h):
    """Remove the last seal and its rows, and correct all that counts them."""
    sql(ITS_ROWS, LAST_SEAL, *RESET)(h)
    rollups.count("audit_prediction", "true")


def forge_retention(h):
    """Delete rows, and record that retention removed their month."""
    sql(
        "INSERT INTO audit_droppedpartition (at, actor, sealed_table, partition,"
        " from_id, until_id, row_count, export, export_digest) VALUES (now(), 'cron',"
        " 'audit_prediction', 'audit_prediction_y2020m01', {h.rows[0]},"
        " {h.rows[3]} + 1, 4, '/gone.zip', repeat('0', 64))",
        "DELETE FROM audit_prediction WHERE id <= {h.rows[3]}",
    )(h)
    sealing.seal()


ROW, INSERTED = "of audit_prediction was", "of audit_prediction was inserted"
NO_SEAL = "are in no seal"
ANCHOR = "differs from the anchored one"
VERSION = "UPDATE registry_modelversion SET {} WHERE id = {{h.versions[0]}}".format
RUN = "UPDATE training_trainingrun SET {} WHERE id = {{h.runs[2]}}".format
SNAPSHOT = "UPDATE dataset_snapshot SET {}".format
ANNOTATION = "UPDATE dataset_annotation SET {} WHERE annotation_id = {}".format
PROMOTION = "WHERE id = {h.promotions[1]}"
NEW_ANNOTATION = (
    "INSERT INTO dataset_annotation (project_id, annotation_id, task_id, result,"
    " was_cancelled, ground_truth, updated_at) VALUES ({h.project}, 99, 1001, '[]',"
    " false, false, now())"
)
NEW_VERSION = (
    "INSERT INTO registry_modelversion (project_id, number, version, state,"
    " artifact_key, artifact_sha256, artifact_bytes, metrics, snapshot_digest,"
    " annotation_count, held_out_tasks, label_config, label_config_digest,"
    " missing_labels,"
    " code_revision, python_version, packages, notes, load_error, held_back,"
    " created_at)"
    " VALUES ({h.project}, 99, 'v99', 'ready', '', '', 0, '{{}}', '', 0, 0, '', '',"
    " '[]', '', '', '{{}}', '', '', '', now())"
)

WAYS = [
    Tampering(
        "change a byte in a row",
        sql("UPDATE audit_prediction SET client = 'tesT' WHERE id = {h.rows[5]}"),
        f"{ROW} changed",
    ),
    Tampering(
        "delete a row",
        sql("DELETE FROM audit_prediction WHERE id = {h.rows[5]}"),
        f"{ROW} deleted",
    ),
    Tampering("insert a row before the first", insert("{h.rows[0]} - 1"), INSERTED),
    Tampering(
        "insert a row between two sealed ones",
        insert("{h.rows[3]} + 1", "{h.txids[3]} + 1"),
        INSERTED,
    ),
    Tampering("insert a row at a seal's boundary", at_a_boundary, INSERTED),
    Tampering(
        "insert a row into the last seal",
        insert("{h.rows[11]} + 1", "{h.txids[11]}"),
        INSERTED,
    ),
    Tampering(
        "insert a row with a sealed transaction's number",
        insert("(extract(epoch FROM now()) * 1000)::bigint << 12", "{h.txids[5]}"),
        INSERTED,
    ),
    Tampering(
        "insert a row after the last seal, with an old id",
        insert(f"{{h.rows[0]}} - {_HOUR}", "pg_current_xact_id()::text::bigint"),
        NO_SEAL,
    ),
    Tampering(
        "the same, before the next seal is made", sealed_old_row, "dated minutes"
    ),
    Tampering("insert a row into another month's partition", last_month, INSERTED),
    Tampering(
        "insert a row into an empty table, with an old id",
        sql(
            "INSERT INTO audit_droppedpartition (id, at, actor, sealed_table,"
            " partition, from_id, until_id, row_count, export, export_digest) VALUES"
            f" ({{h.rows[0]}} - {_HOUR}, now(), 'cron', 'audit_prediction', '', 0, 0,"
            " 0, '', '')"
        ),
        NO_SEAL,
    ),
    Tampering(
        "insert a row with the present id and transaction",
        sql(
            "INSERT INTO registry_promotion (project_id, from_version_id,"
            " to_version_id, at, actor, reason, request_id) VALUES ({h.project},"
            " {h.versions[0]}, {h.versions[1]}, now(), 'olga', 'better', '')"
        ),
        None,
    ),
    Tampering(
        "swap the contents of two rows",
        sql(
            "UPDATE audit_prediction SET id = {h.rows[11]} + 1 WHERE id = {h.rows[1]}",
            "UPDATE audit_prediction SET id = {h.rows[1]} WHERE id = {h.rows[6]}",
            "UPDATE audit_prediction SET id = {h.rows[6]} WHERE id = {h.rows[11]} + 1",
        ),
        ROW,
    ),
    Tampering("drop a partition", with_its_partition("DROP TABLE PARTITION_NAME"), ROW),
    Tampering(
        "detach a partition",
        with_its_partition(
            "ALTER TABLE audit_prediction DETACH PARTITION PARTITION_NAME"
        ),
        ROW,
    ),
    Tampering("delete rows, and record that retention did", forge_retention, None),
    Tampering("remove the last seal", sql(LAST_SEAL), "is missing"),
    Tampering(
        "remove the last seal and its rows", sql(ITS_ROWS, LAST_SEAL), "is missing"
    ),
    Tampering(
        "remove the last seal and its rows, reset the sequence",
        sql(ITS_ROWS, LAST_SEAL, RESET[0]),
        "sealed rows belong to it",
        ANCHOR,
    ),
    Tampering(
        "the same, and correct the hourly counts",
        remove_the_end_without_a_trace,
        None,
        ANCHOR,
    ),
    Tampering(
        "change a row, and compute the whole chain again",
        and_seal_again(
            "UPDATE audit_prediction SET score = 0.5 WHERE id = {h.rows[5]}"
        ),
        None,
        ANCHOR,
    ),
    Tampering(
        "change a promotion",
        sql(f"UPDATE registry_promotion SET actor = 'ann' {PROMOTION}"),
        "of registry_promotion was changed",
    ),
    Tampering(
        "insert a promotion",
        insert("{h.promotions[3]} - 1", table="registry_promotion"),
        "of registry_promotion was inserted",
    ),
    Tampering(
        "delete a promotion",
        sql(f"DELETE FROM registry_promotion {PROMOTION}"),
        "of registry_promotion was deleted",
    ),
    Tampering(
        "change a project's active version",
        sql("UPDATE registry_project SET active_version_id = {h.versions[0]}"),
        "serves v1, but its last promotion",
    ),
    Tampering(
        "change a version's metrics",
        sql(VERSION("metrics = jsonb_set(metrics, '{{accuracy}}', '0.99')")),
        "version v1, project {h.project}: metrics is",
    ),
    Tampering(
        "change a version's artifact digest",
        sql(VERSION("artifact_sha256 = repeat('b', 64)")),
        "artifact sha256 is 'bbbb",
    ),
    Tampering(
        "change a version's name", sql(VERSION("version = 'best'")), "name is 'best'"
    ),
    Tampering(
        "delete a version",
        sql("DELETE FROM registry_modelversion WHERE id = {h.versions[0]}"),
        "version v1 of project {h.project}, recorded by audit entry",
    ),
    Tampering(
        "insert a version", sql(NEW_VERSION), "No audit entry records the creation"
    ),
    Tampering(
        "change a snapshot",
        sql(SNAPSHOT("annotation_ids[1] = 99")),
        "was changed: its digest is not that of its annotations",
    ),
    Tampering(
        "change a snapshot's counts",
        sql(SNAPSHOT("task_count = 99")),
        "snapshot tasks is 99",
    ),
    Tampering(
        "change what a snapshot holds out",
        sql(SNAPSHOT("holdout_percent = 15")),
        "was changed: its digest is not that of its annotations",
    ),
    Tampering(
        "change a run's outcome",
        sql(RUN("state = 'succeeded', error = ''")),
        "state is 'succeeded', but audit entry",
    ),
    Tampering(
        "change the version that a run created",
        sql(RUN("version_id = NULL").replace("h.runs[2]", "h.runs[0]")),
        "names version None",
    ),
    Tampering(
        "delete a run",
        sql("DELETE FROM training_trainingrun WHERE id = {h.runs[2]}"),
        "run {h.runs[2]} of project {h.project}, recorded by audit entry",
    ),
    Tampering(
        "insert a run that succeeded",
        sql(
            "INSERT INTO training_trainingrun SELECT (jsonb_populate_record(r,"
            ' \'{{"id": 99, "version_id": null}}\')).* FROM training_trainingrun r'
            " WHERE id = {h.runs[0]}"
        ),
        "No audit entry records the end of run 99",
    ),
    Tampering(
        "change the events of a run",
        sql("DELETE FROM training_runevent WHERE event_id = {h.events[1]}"),
        "run {h.runs[0]}, project {h.project}: events is 1, but audit entry",
    ),
    Tampering(
        "change a stored annotation that a version trained on",
        sql(ANNOTATION("result = '[]'", 1)),
        "Annotation 1 of project {h.project} is neither",
    ),
    Tampering(
        "the same, and its update time",
        sql(ANNOTATION("result = '[]', updated_at = now()", 1)),
        "Annotation 1 of project {h.project} is neither",
    ),
    Tampering(
        "change a stored annotation that no version trained on",
        sql(ANNOTATION("result = '[]'", 4)),
        "Annotation 4 of project {h.project} is neither",
    ),
    Tampering(
        "mark a stored annotation as deleted",
        sql(ANNOTATION("deleted_at = now()", 1)),
        "Annotation 1 of project {h.project} is neither",
    ),
    Tampering(
        "delete a stored annotation",
        sql("DELETE FROM dataset_annotation WHERE annotation_id = 1"),
        "Annotation 1 of project {h.project} was deleted",
    ),
    Tampering(
        "insert a stored annotation",
        sql(NEW_ANNOTATION),
        "Annotation 99 of project {h.project} is neither",
    ),
    Tampering(
        "change an hourly count",
        sql("UPDATE audit_predictionhour SET count = count + 1"),
        "sealed rows belong to it",
    ),
    Tampering(
        "delete an hourly count",
        sql("DELETE FROM audit_eventhour"),
        "The count in audit_eventhour",
    ),
    Tampering(
        "change a task's data, an agreement, a run's log or curve, an attempt",
        sql(
            "UPDATE dataset_task SET data = '{{}}'",
            "UPDATE training_trainingrun SET log = ''",
            "UPDATE training_trainingattempt SET worker = 'elsewhere'",
        ),
        None,
    ),
    Tampering(
        "change a version's notes or state, or a project's settings",
        sql(
            VERSION("notes = 'good', state = 'archived'"),
            "UPDATE registry_project SET gate_margin = 50, label_config = ''",
        ),
        None,
    ),
]
