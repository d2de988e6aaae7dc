"""Evaluations of versions, on held-out tasks or in shadow."""

from django.db import models
from django.db.models import Q

from lsml.environment.json_field import JsonField
from lsml.jobs.models import Job
from lsml.registry.models import INITIAL_VERSION, ModelVersion, Project
from lsml.registry.promotion_policy import WITHOUT_COMPARISON


class Evaluation(Job):
    """Compares a version with the served one. `done` and `total` count predictions."""

    class Verdict(models.TextChoices):
        PASSED = "passed"  # the promotion policy's comparison
        HELD_BACK = "held back"
        TOO_FEW_TASKS = "too few tasks"  # to tell the versions apart

    class ComparedOn(models.TextChoices):
        HELD_OUT = "held-out", "held-out tasks"
        SHADOW = "shadow", "annotated tasks, in shadow"

    project = models.ForeignKey(Project, models.PROTECT, related_name="evaluations")
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="evaluations"
    )
    compared_on = models.CharField(
        max_length=8, choices=ComparedOn.choices, default=ComparedOn.HELD_OUT
    )
    # What it was compared with: the version served when the evaluation began, or the
    # one before if `version` itself was served. null = the untrained model.
    compared_with = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, related_name="+"
    )
    policy = models.CharField(max_length=9)  # Project.PromotionPolicy, at the end
    verdict = models.CharField(max_length=13, choices=Verdict.choices, blank=True)
    reason = models.TextField(blank=True)  # of the verdict, for people
    promoted = models.BooleanField(default=False)  # by this evaluation
    # It passed on held-out tasks, and its version is now in shadow, where it must pass
    # until then. null = not, or not any more. See `candidates.py`.
    in_shadow_until = models.DateTimeField(null=True)
    task_count = models.PositiveIntegerField(default=0)  # compared
    report = JsonField(default=dict)  # the figures, see `report.py`
    task_scores = JsonField(default=list)  # [task, score, score of the other]

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(state__in=["queued", "running", "lost"]),
                name="one_active_evaluation_per_version",
            ),
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(in_shadow_until__isnull=False),
                name="one_candidate_per_project",
            ),
        ]
        indexes = [
            *Job.Meta.indexes,
            models.Index(fields=["project", "-id"], name="evaluation_by_project"),
        ]

    @property
    def other(self) -> str:
        """The name of the version that it was compared with."""
        return self.compared_with.version if self.compared_with else INITIAL_VERSION

    @property
    def outcome(self) -> str:
        """The word that goes before the reason: what became of the version."""
        if self.promoted:
            return "promoted"
        if self.in_shadow_until:
            return "in shadow"
        if self.verdict == self.Verdict.TOO_FEW_TASKS:
            return "not judged"
        if self.verdict == self.Verdict.HELD_BACK and self.consequence:
            return "did not pass"
        return self.verdict

    @property
    def consequence(self) -> str:
        """What the policy did, as a sentence; empty if it followed the verdict."""
        return WITHOUT_COMPARISON.get(self.policy, "")
