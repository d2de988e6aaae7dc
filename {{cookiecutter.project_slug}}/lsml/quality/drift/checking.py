"""Checks served versions for drift, in a worker.

Two workers that check at once do the same work twice; the later row counts.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation, Snapshot
from lsml.quality.budget import Budget
from lsml.quality.drift import samples
from lsml.quality.drift.models import DriftCheck
from lsml.quality.drift.observed import Answer, Text
from lsml.quality.drift.samples import Keys
from lsml.quality.texts import text_keys
from lsml.registry.models import ModelVersion, Project

if TYPE_CHECKING:
    from lsml.quality.drift.features import Feature

log = structlog.get_logger(__name__)

WINDOW: Final = timedelta(days=7)  # of live predictions
EVERY: Final = timedelta(hours=1)  # per project, and only after new predictions
KEPT: Final = timedelta(days=30)
_ROUND_S: Final = 60.0
_PROJECT_S: Final = 20.0  # for reading its results
_TEXTS_MAX: Final = 2  # fields of the tasks


def check_drift() -> None:
    """Check the projects that are due, until the time of the round is used up."""
    now = timezone.now()
    DriftCheck.objects.filter(checked_at__lt=now - KEPT).delete()
    budget = Budget(_ROUND_S)
    trained = Project.objects.filter(
        archived_at=None, active_version__snapshot_digest__gt=""
    )
    # In a random order: those that always take long must not keep the others out.
    for pk in trained.order_by("?").values_list("pk", flat=True):
        if budget.is_used_up:
            return
        try:
            check_if_due(trained.select_related("active_version").get(pk=pk), now)
        except Exception:  # must not stop the checks of other projects
            log.exception("a project was not checked for drift", project=pk)


def check_if_due(project: Project, now: datetime) -> None:
    """Check a project if there are new predictions, and the last check is old.

    One that had too few tasks is repeated as soon as there are enough.
    """
    from lsml.quality.drift.features import TASKS_MIN

    version = project.active_version
    if version is None:
        return
    last = project.drift_checks.order_by("-pk").first()
    before = last if last and last.model_version == version.version else None
    recent = before if before and before.checked_at > now - EVERY else None
    if recent and recent.live_tasks >= TASKS_MIN:
        return
    latest = latest_prediction(project)
    if latest is None or (before and before.latest_prediction == latest):
        return
    known = Snapshot.objects.filter(project=project, digest=version.snapshot_digest)
    snapshot = known.only("project_id", "annotation_ids", "held_out_ids").first()
    if snapshot is None:  # of a project that was copied
        return
    check = _Check(project, version, snapshot, now)
    if recent and len(check.live) < TASKS_MIN:
        return  # still too few, as the last check says
    differed = before.differing if before else set()
    compared = [
        asdict(feature.after(differed=feature.name in differed))
        for feature in check.features()
    ]
    row = DriftCheck.objects.create(
        project=project,
        model_version=version.version,
        checked_at=now,
        latest_prediction=latest,
        live_tasks=len(check.live),
        features=compared,
        notes=check.notes,
    )
    if row.sentences:
        log.warning(
            "live tasks differ from the training snapshot",
            project=str(project.key),
            version=version.version,
            features=sorted(row.differing),
        )


class _Check:
    """One check of a project: the samples, and what was not compared."""

    def __init__(
        self, project: Project, version: ModelVersion, known: Snapshot, now: datetime
    ) -> None:
        self.project = project
        self.version = version
        self.known = known
        self.notes: list[str] = []
        self.budget = Budget(_PROJECT_S)
        self.live = samples.live_predictions(
            project, version.version, known, now - WINDOW
        )

    def features(self) -> "Iterator[Feature]":
        """Compare what both samples have."""
        from lsml.quality.drift.features import TASKS_MIN

        if len(self.live) < TASKS_MIN:
            self.notes.append(
                f"{self.version.version} predicted {len(self.live)} tasks that it was"
                f" not trained on in the last {WINDOW.days} days: drift is checked from"
                f" {TASKS_MIN} on."
            )
            return
        annotations = samples.snapshot_annotations(self.known)
        yield from self._inputs(list(annotations))
        yield from self._annotated(annotations)
        yield from self._predicted()

    def _inputs(self, trained: list[int]) -> "Iterator[Feature]":
        from lsml.quality.drift import features

        compared_with = f"what {self.version.version} was trained on"
        keys = text_keys(self.project.label_config)
        for key in keys[:_TEXTS_MAX]:
            live = self._live_texts(key)
            reference = samples.task_texts(self.project, trained, key)
            if min(len(live), len(reference)) < features.TASKS_MIN:
                self.notes.append(
                    f"{key} is not compared: it is known here as a text of {len(live)}"
                    f" of {len(self.live)} live tasks, and of {len(reference)} of"
                    f" {len(trained)} tasks of the snapshot."
                )
                continue
            self._note_part(key, len(live), "have no text that is known here")
            texts = list(live.values()), list(reference.values())
            yield from features.lengths(key, *texts, compared_with)
            yield from features.vocabularies(key, *texts, compared_with)
        if len(keys) > _TEXTS_MAX:
            rest = ", ".join(keys[_TEXTS_MAX:])
            self.notes.append(f"Only {_TEXTS_MAX} texts are compared, not {rest}.")

    def _live_texts(self, key: str) -> dict[int, Text]:
        """Return the texts as predicted if they were recorded, else as last seen."""
        seen = samples.task_texts(self.project, self.live, key)
        return seen | samples.recorded_texts(self.live, key)

    def _annotated(self, annotations: Keys) -> "Iterator[Feature]":
        from lsml.quality.drift import features

        lately = samples.annotations_of(self.project, self.live)
        if len(lately) < features.TASKS_MIN:
            self.notes.append(
                f"Annotated labels are not compared: {len(lately)} of the"
                f" {len(self.live)} live tasks are annotated."
            )
            return
        self._note_part("Annotated labels", len(lately), "have no annotation")
        yield from features.labels(
            "annotated labels",
            self._answers(Annotation, lately),
            self._answers(Annotation, annotations),
            f"what {self.version.version} was trained on",
        )

    def _predicted(self) -> "Iterator[Feature]":
        from lsml.quality.drift import features

        reference, name = self._predicted_before(features.TASKS_MIN)
        lately = {task: key for task, key in self.live.items() if task not in reference}
        if min(len(lately), len(reference)) < features.TASKS_MIN:
            self.notes.append(
                "Predictions are not compared: there are fewer than"
                f" {features.TASKS_MIN} of held-out tasks, and not enough live ones"
                " before the latest."
            )
            return
        self._note_part(
            "Predictions", len(lately), f"are {name}, which these are compared with"
        )
        now, before = (self._answers(Prediction, keys) for keys in (lately, reference))
        yield from features.labels("predicted labels", now, before, name)
        yield from features.scores(now, before, name)
        yield from features.sizes(now, before, name)
        if self.budget.is_used_up:
            self.notes.append("Reading results took long: fewer were compared.")

    def _note_part(self, what: str, tasks: int, others: str) -> None:
        """Say why a feature has fewer tasks than the check."""
        if tasks < len(self.live):
            self.notes.append(
                f"{what}: {tasks} of the {len(self.live)} live tasks are compared; the"
                f" others {others}."
            )

    def _predicted_before(self, enough: int) -> tuple[Keys, str]:
        """Return the predictions that the live ones are compared with, and a name."""
        version = self.version.version
        held_out = samples.held_out_predictions(self.project, version, self.known)
        if len(held_out) >= enough:
            return held_out, f"{version}'s predictions of held-out tasks"
        first = samples.first_predictions(self.project, self.version, self.known)
        half = dict(list(first.items())[: len(first) // 2])
        return half, f"{version}'s first predictions"

    def _answers(
        self, model: type[Prediction | Annotation], keys: Keys
    ) -> list[Answer]:
        return samples.answers(model, keys.values(), self.budget)


def latest_prediction(project: Project) -> int | None:
    """Return the key of the served version's latest prediction."""
    rows = Prediction.objects.filter(
        project_pk=project.pk, model_version=project.served_version
    )
    return rows.order_by("-pk").values_list("pk", flat=True).first()
