"""Compares the responses that clients received with the rows in the tables."""

import json
from collections import Counter, defaultdict
from itertools import pairwise

from django.db import connection
from django.db.models import Count

from lsml.audit import sealing, verify
from lsml.audit.models import Prediction, WebhookEvent
from lsml.audit.tables import PARTITIONED_TABLES
from lsml.dataset.holdout import is_held_out
from lsml.registry.artifacts import Artifact, artifact_storage, fetch_artifact
from lsml.registry.models import ModelVersion, Project
from lsml.training.models import InboxEntry, RunEvent, TrainingAttempt, TrainingRun

ANSWER_WITHIN_S = 12
# By the database's clock: those of the workers may be wrong.
_RECORD_ATTEMPTS = """
CREATE TABLE chaos_attempt (attempt_id bigint PRIMARY KEY, begun timestamptz NOT NULL,
  ended timestamptz);
CREATE FUNCTION chaos_record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO chaos_attempt VALUES (NEW.id, clock_timestamp());
  ELSE
    UPDATE chaos_attempt SET ended = clock_timestamp() WHERE attempt_id = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_begun AFTER INSERT ON training_trainingattempt
  FOR EACH ROW EXECUTE FUNCTION chaos_record();
CREATE TRIGGER chaos_ended AFTER UPDATE ON training_trainingattempt
  FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
  EXECUTE FUNCTION chaos_record();
"""


def record_attempts():
    """Have the database note when each attempt begins and ends."""
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_ATTEMPTS)


class Ledger:
    """The result of every check; each line is a sentence and whether it holds."""

    def __init__(self, seen):
        self.seen = seen
        self.lines = []
        self._answers()
        self._events()
        self._dataset()
        self._predictions()
        self._one_run_at_a_time()
        self._artifacts()
        self._served()
        self._audit_log()

    @property
    def balanced(self):
        return all(holds for holds, _ in self.lines)

    def __str__(self):
        marks = {True: "ok  ", False: "FAIL"}
        return "\n".join(
            f"  {marks[holds]} {sentence}" for holds, sentence in self.lines
        )

    def _check(self, holds, sentence):
        self.lines.append((bool(holds), sentence))

    def _answers(self):
        failures = sorted(each for each in self.seen.statuses - {503} if each >= 500)
        self._check(not failures, f"responses of 500 or more besides 503: {failures}")
        self._check(
            self.seen.longest_s <= ANSWER_WITHIN_S,
            f"the longest request took {self.seen.longest_s:.1f} s"
            f" of {ANSWER_WITHIN_S} s",
        )

    def _events(self):
        accepted = set(self.seen.accepted)
        recorded = set(WebhookEvent.objects.values_list("pk", flat=True))
        trained = Counter(
            RunEvent.objects.filter(run__state="succeeded").values_list(
                "event_id", flat=True
            )
        )
        repeated = [event for event, times in trained.items() if times > 1]
        self._check(accepted <= recorded, f"{len(accepted)} accepted events, recorded")
        self._check(
            accepted <= set(trained),
            f"{len(accepted & set(trained))} of them trained on,"
            f" {len(accepted - set(trained))} lost",
        )
        self._check(not repeated, f"{len(repeated)} in two succeeded runs")
        unanswered = recorded - accepted
        self._check(
            unanswered <= set(trained),
            f"{len(unanswered)} recorded without a response, trained on as well",
        )
        waiting = InboxEntry.objects.count()
        self._check(waiting == 0, f"{waiting} left in the inbox")

    def _dataset(self):
        """Compare what the newest version was trained on with all events replayed.

        Those of held-out tasks were not trained on. A last run that read only such
        events made no version.
        """
        for project in Project.objects.order_by("pk"):
            succeeded = project.runs.filter(state="succeeded").order_by("-pk")
            newest = succeeded.select_related("snapshot").first()
            last = succeeded.filter(version__isnull=False).first()
            percent = newest.snapshot.holdout_percent if newest else 0
            replayed = {
                number: at
                for number, (task, at) in _replay_events(project).items()
                if not is_held_out(project.pk, task, percent)
            }
            trained = _annotations_of(last.version) if last else {}
            self._check(
                trained == replayed,
                f"project {project.labelstudio_id}: its last version was trained on"
                f" {len(trained)} annotations, the events have {len(replayed)} of tasks"
                " that are not held out",
            )

    def _predictions(self):
        rows = dict(Prediction.objects.values_list("request_id").annotate(Count("pk")))
        missing = [
            request
            for request, tasks in self.seen.predicted.items()
            if rows.get(request) != tasks
        ]
        self._check(
            not missing,
            f"{len(self.seen.predicted)} answered requests,"
            f" {len(missing)} without all of their rows",
        )

    def _one_run_at_a_time(self):
        spans = defaultdict(list)
        projects = dict(
            TrainingAttempt.objects.values_list("pk", "run__project").iterator()
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT attempt_id, begun, ended FROM chaos_attempt")
            for attempt, *span in cursor.fetchall():
                spans[projects[attempt]].append(tuple(span))
        overlaps = 0
        for attempts in spans.values():
            attempts.sort()
            overlaps += sum(
                this[1] is None or this[1] > following[0]
                for this, following in pairwise(attempts)
            )
        runs = Counter(TrainingRun.objects.values_list("state", flat=True))
        outcomes = Counter(TrainingAttempt.objects.values_list("outcome", flat=True))
        self._check(overlaps == 0, f"{overlaps} times two runs of a project overlapped")
        self._check(
            set(runs) <= {"succeeded", "failed", "cancelled"}, f"runs: {dict(runs)}"
        )
        self._check("running" not in outcomes, f"attempts: {dict(outcomes)}")

    def _artifacts(self):
        kept = set(
            ModelVersion.objects.exclude(artifact_key="").values_list(
                "artifact_key", flat=True
            )
        )
        stored = set(_files(artifact_storage()))
        self._check(
            stored == kept,
            f"{len(kept)} artifacts, {len(stored - kept)} orphans,"
            f" {len(kept - stored)} missing",
        )

    def _served(self):
        for project in Project.objects.select_related("active_version"):
            last = project.promotions.order_by("-pk").first()
            promoted = last.to_version_id if last else None
            self._check(
                promoted == project.active_version_id,
                f"project {project.labelstudio_id} serves"
                f" {project.served_version}, the version promoted last",
            )

    def _audit_log(self):
        sealing.seal()
        report = verify.verify()
        found = "; ".join(map(str, report.findings[:3])) or "verified"
        self._check(
            report.intact and not report.unsealed_rows,
            f"{report.rows} rows under {report.seals} seals: {found}",
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT p.relid::regclass::text FROM unnest(%s::text[]) name,"
                " pg_partition_tree(name::regclass) p WHERE p.isleaf AND NOT EXISTS"
                " (SELECT FROM pg_trigger WHERE tgrelid = p.relid"
                " AND tgname = 'no_truncate')",
                [list(PARTITIONED_TABLES)],
            )
            unguarded = [name for (name,) in cursor]
        self._check(not unguarded, f"partitions without a guard: {unguarded}")


def _replay_events(project):
    """Return the task and the newest time of each annotation, by its ID."""
    newest, deleted = {}, set()
    for event in WebhookEvent.objects.filter(project_pk=project.pk).order_by("pk"):
        if event.action == "ANNOTATIONS_DELETED":
            deleted |= {each["id"] for each in event.payload["annotations"]}
        elif "annotation" in event.payload:
            annotation = event.payload["annotation"]
            _, known = newest.get(annotation["id"], (0, ""))
            at = max(known, annotation["updated_at"])
            newest[annotation["id"]] = event.task_id, at
    return {number: each for number, each in newest.items() if number not in deleted}


def _annotations_of(version):
    artifact = Artifact(
        version.artifact_key, version.artifact_sha256, version.artifact_bytes
    )
    seen = json.loads((fetch_artifact(artifact).folder / "seen.json").read_text())
    return {int(number): at for number, at in seen.items()}


def _files(storage, folder=""):
    folders, files = storage.listdir(folder)
    prefix = f"{folder}/" if folder else ""
    yield from (prefix + name for name in files)
    for name in folders:
        yield from _files(storage, prefix + name)
