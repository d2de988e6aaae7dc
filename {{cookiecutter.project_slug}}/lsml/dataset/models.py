"""Tasks and annotations as last seen. All rows can be rebuilt from the events."""

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef

from lsml.dataset.figures import percent
from lsml.environment.json_field import JsonField
from lsml.registry.models import Project


class TaskQuerySet(models.QuerySet["Task"]):
    """Reads of tasks, to be chained."""

    def known(self) -> Self:
        """Keep what still exists in Label Studio."""
        return self.filter(deleted_at__isnull=True)

    def labelled(self) -> Self:
        """Keep tasks with an annotation that a model may learn from."""
        return self.filter(_is_labelled())

    def unlabelled(self) -> Self:
        """Keep tasks without one; a skipped task is among them."""
        return self.filter(~_is_labelled())


class Task(models.Model):
    """A Label Studio task, as last seen."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks")
    task_id = models.BigIntegerField()  # Label Studio's ID
    data = JsonField(default=dict)
    meta = JsonField(default=dict)
    created_at = models.DateTimeField(null=True)  # a later one: the ID was reused
    updated_at = models.DateTimeField()  # Label Studio's clock; the newest state wins
    deleted_at = models.DateTimeField(null=True)  # final, even if events arrive late

    objects = TaskQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "task_id"], name="task_once")
        ]

    def __str__(self) -> str:
        return f"Task {self.task_id}"


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    """Reads of annotations, to be chained."""

    def trainable(self) -> Self:
        """Keep what a model may learn from: neither deleted nor skipped."""
        return self.filter(deleted_at__isnull=True, was_cancelled=False)


class Annotation(models.Model):
    """A Label Studio annotation, as last seen."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="annotations")
    annotation_id = models.BigIntegerField()  # Label Studio's ID
    # Label Studio's ID; null = only the deletion is known.
    task_id = models.BigIntegerField(null=True)
    result = JsonField(default=list)  # list of regions
    was_cancelled = models.BooleanField(default=False)  # skipped by the annotator
    ground_truth = models.BooleanField(default=False)
    completed_by = models.BigIntegerField(null=True)  # Label Studio's user ID
    lead_time = models.FloatField(null=True)  # seconds
    parent_prediction = models.BigIntegerField(null=True)  # Label Studio's ID
    created_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()  # Label Studio's clock; the newest state wins
    deleted_at = models.DateTimeField(null=True)  # final, even if events arrive late

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "annotation_id"], name="annotation_once"
            )
        ]
        indexes = [
            models.Index(fields=["project", "task_id"], name="annotation_by_task")
        ]

    def __str__(self) -> str:
        return f"Annotation {self.annotation_id}"


def _is_labelled() -> Exists:
    annotations = Annotation.objects.trainable()
    of_task = {"project": OuterRef("project"), "task_id": OuterRef("task_id")}
    return Exists(annotations.filter(**of_task))


class Sync(models.Model):
    """One reconciliation with Label Studio, resumable if it was interrupted."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="syncs")
    since = models.DateTimeField(null=True)  # only tasks changed since; null = all
    after_task = models.BigIntegerField(default=0)  # every task up to it is reconciled
    differences = JsonField(default=dict)  # "tasks added" -> count
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)  # null = running or interrupted

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="sync_by_project")]

    def __str__(self) -> str:
        return f"Sync {self.pk} of {self.project}"


class Snapshot(models.Model):
    """The exact annotations a run trained on, and those it was not given.

    Runs that saw the same share one.
    """

    project = models.ForeignKey(Project, models.PROTECT, related_name="snapshots")
    digest = models.CharField(max_length=64)  # SHA-256 hex, see `snapshot_digest`
    annotation_ids = ArrayField(models.BigIntegerField())  # ascending
    annotation_updates = ArrayField(models.DateTimeField())  # same order
    # The first 8 bytes of the SHA-256 of each annotation's content, same order.
    annotation_digests = models.BinaryField()
    task_count = models.PositiveIntegerField()
    label_counts = JsonField(default=dict)  # label -> annotations with it
    # The hold-out, see `holdout.py`. 0 % = none, whatever the project's policy says.
    holdout_percent = models.PositiveSmallIntegerField(default=0)
    # The annotations of held-out tasks; columns as above.
    held_out_ids = ArrayField(models.BigIntegerField(), default=list)
    held_out_updates = ArrayField(models.DateTimeField(), default=list)
    held_out_digests = models.BinaryField(default=b"")
    held_out_task_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "digest"], name="snapshot_once")
        ]

    def __str__(self) -> str:
        return f"{len(self.annotation_ids)} annotations ({self.digest[:12]})"


class Agreement(models.Model):
    """How close a prediction is to an annotation of the same task."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="agreements")
    prediction_id = models.BigIntegerField()  # primary key of the audit row
    annotation_id = models.BigIntegerField()  # Label Studio's ID
    task_id = models.BigIntegerField()  # Label Studio's ID
    model_version = models.CharField(max_length=200)
    measure = models.CharField(max_length=50)  # choices, spans, boxes, …
    value = models.FloatField()  # 0 to 1

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["prediction_id", "annotation_id", "measure"],
                name="agreement_once",
            ),
            models.CheckConstraint(
                condition=models.Q(value__range=(0, 1)), name="agreement_0_1"
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "model_version"], name="agreement_by_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measure} {percent(self.value)}"


class LiveAgreement(models.Model):
    """How close an annotation is to the prediction that its annotator saw.

    Or, if `withheld`, to the one that was recorded instead of being shown.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="live_agreements")
    annotation_id = models.BigIntegerField()  # Label Studio's ID
    prediction_id = models.BigIntegerField()  # primary key of the audit row
    model_version = models.CharField(max_length=200)
    at = models.DateTimeField()  # when the annotation was made; Label Studio's clock
    value = models.FloatField()  # 0 to 1; mean over the controls
    withheld = models.BooleanField(default=False)  # the annotator saw no prediction
    sums = JsonField(default=dict)  # what it adds to its day, see `live.py`
    watched = models.BooleanField(default=False)  # the test for drops has seen it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "annotation_id"], name="live_agreement_once"
            )
        ]
        indexes = [
            models.Index(  # the test for drops: the next rows
                fields=["id"],
                condition=models.Q(watched=False),
                name="live_agreement_unwatched",
            ),
            models.Index(  # rolling back: the first and the latest of a version
                fields=["project", "model_version", "at", "id"],
                name="live_agreement_by_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_version}: {percent(self.value)}"


class LiveAgreementDay(models.Model):
    """The sum of a version's `LiveAgreement` rows of one day."""

    project = models.ForeignKey(
        Project, models.CASCADE, related_name="live_agreement_days"
    )
    model_version = models.CharField(max_length=200)
    day = models.DateField()  # UTC
    sums = JsonField(default=dict)  # see `live.py`

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "model_version", "day"],
                name="live_agreement_day_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model_version} on {self.day}"
