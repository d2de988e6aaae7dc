"""The books: what clients were told against what the tables say."""

import json
from collections import Counter, defaultdict
from itertools import pairwise

from django.db.models import Count

from lsml.audit.models import Prediction, WebhookEvent
from lsml.registry.artifacts import Artifact, artifact_storage, fetch_artifact
from lsml.registry.models import ModelVersion, Project
from lsml.training.models import InboxEntry, RunEvent, TrainingAttempt, TrainingRun


class Ledger:
    """Each line: a sentence, and whether it holds."""

    def __init__(self, books):
        self.books = books
        self.lines = []
        self._events()
        self._dataset()
        self._predictions()
        self._one_run_at_a_time()
        self._artifacts()
        self._served()

    @property
    def balanced(self):
        return all(holds for holds, _ in self.lines)

    def __str__(self):
        marks = {True: "ok  ", False: "FAIL"}
        return "\n".join(f"  {marks[holds]} {words}" for holds, words in self.lines)

    def _note(self, holds, words):
        self.lines.append((bool(holds), words))

    def _events(self):
        accepted = set(self.books.accepted)
        recorded = set(WebhookEvent.objects.values_list("pk", flat=True))
        trained = Counter(
            RunEvent.objects.filter(run__state="succeeded").values_list(
                "event_id", flat=True
            )
        )
        doubled = [event for event, times in trained.items() if times > 1]
        self._note(accepted <= recorded, f"{len(accepted)} accepted events, recorded")
        self._note(
            accepted <= set(trained),
            f"{len(accepted & set(trained))} of them trained on,"
            f" {len(accepted - set(trained))} lost",
        )
        self._note(not doubled, f"{len(doubled)} in two succeeded runs")
        unsure = recorded - accepted
        self._note(
            unsure <= set(trained),
            f"{len(unsure)} recorded whose client got no answer, trained on as well",
        )
        waiting = InboxEntry.objects.count()
        self._note(waiting == 0, f"{waiting} left in the inbox")

    def _dataset(self):
        """What the newest version saw, against the events told anew from the start."""
        for project in Project.objects.order_by("pk"):
            last = (
                project.runs.filter(state="succeeded", version__isnull=False)
                .select_related("version")
                .order_by("-pk")
                .first()
            )
            told = _told_by_events(project)
            seen = _seen_by(last.version) if last else {}
            self._note(
                told == seen,
                f"project {project.labelstudio_id}: its last version saw"
                f" {len(seen)} annotations, the events tell of {len(told)}",
            )

    def _predictions(self):
        rows = dict(Prediction.objects.values_list("request_id").annotate(Count("pk")))
        missing = [
            request
            for request, tasks in self.books.predicted.items()
            if rows.get(request) != tasks
        ]
        self._note(
            not missing,
            f"{len(self.books.predicted)} answered predictions,"
            f" {len(missing)} without all of their rows",
        )

    def _one_run_at_a_time(self):
        spans = defaultdict(list)
        for attempt in TrainingAttempt.objects.select_related("run"):
            spans[attempt.run.project_id].append(
                (attempt.started_at, attempt.finished_at)
            )
        overlaps = 0
        for attempts in spans.values():
            attempts.sort()
            overlaps += sum(
                this[1] is None or this[1] > following[0]
                for this, following in pairwise(attempts)
            )
        runs = Counter(TrainingRun.objects.values_list("state", flat=True))
        outcomes = Counter(TrainingAttempt.objects.values_list("outcome", flat=True))
        self._note(overlaps == 0, f"{overlaps} moments with two runs of a project")
        self._note(
            set(runs) <= {"succeeded", "failed", "cancelled"}, f"runs: {dict(runs)}"
        )
        self._note("running" not in outcomes, f"attempts: {dict(outcomes)}")

    def _artifacts(self):
        kept = set(
            ModelVersion.objects.exclude(artifact_key="").values_list(
                "artifact_key", flat=True
            )
        )
        stored = set(_files(artifact_storage()))
        self._note(
            stored == kept,
            f"{len(kept)} artifacts, {len(stored - kept)} orphans,"
            f" {len(kept - stored)} missing",
        )

    def _served(self):
        for project in Project.objects.select_related("active_version"):
            last = project.promotions.order_by("-pk").first()
            promoted = last.to_version_id if last else None
            self._note(
                promoted == project.active_version_id,
                f"project {project.labelstudio_id} serves"
                f" {project.served_version}, promoted last",
            )


def _told_by_events(project):
    newest, gone = {}, set()
    for event in WebhookEvent.objects.filter(project_pk=project.pk).order_by("pk"):
        if event.action == "ANNOTATIONS_DELETED":
            gone |= {each["id"] for each in event.payload["annotations"]}
        elif "annotation" in event.payload:
            annotation = event.payload["annotation"]
            known = newest.get(annotation["id"], "")
            newest[annotation["id"]] = max(known, annotation["updated_at"])
    return {number: at for number, at in newest.items() if number not in gone}


def _seen_by(version):
    artifact = Artifact(
        version.artifact_key, version.artifact_sha256, version.artifact_bytes
    )
    seen = json.loads((fetch_artifact(artifact) / "seen.json").read_text())
    return {int(number): at for number, at in seen.items()}


def _files(storage, folder=""):
    folders, files = storage.listdir(folder)
    prefix = f"{folder}/" if folder else ""
    yield from (prefix + name for name in files)
    for name in folders:
        yield from _files(storage, prefix + name)
