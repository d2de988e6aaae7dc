"""Projects, model versions, promotions and model state."""

from datetime import time
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from lsml.audit.fields import TimeOrderedId
from lsml.environment.json_field import JsonField
from lsml.labelstudio.identity import ProjectKey
from lsml.registry.held_out import TASKS_TO_TELL

POLICY = "policy"  # the actor of what the service does by itself
INITIAL_VERSION = "0.0.1"  # served before any training; the reference SDK's name
HOLDOUT_PERCENT_MAX = 50
WITHHELD_PERCENT_MAX = 50
SHADOW_PERCENT = 20
SHADOW_TASKS_MAX = 2_000  # more would not make the intervals much narrower
_POINTS_MAX = 100


class ProjectQuerySet(models.QuerySet["Project"]):
    """Reads of projects."""

    def with_key(self, key: ProjectKey) -> Self:
        """Projects with this id and stamp; without a stamp, all with this id."""
        projects = self.filter(labelstudio_id=key.labelstudio_id)
        if key.created_stamp is None:
            return projects.order_by("-created_stamp")
        return projects.filter(created_stamp=key.created_stamp)


class Project(models.Model):
    """A Label Studio project, and how its model is trained."""

    class TrainingMode(models.TextChoices):
        AUTO = "auto"  # annotations start a run
        MANUAL = "manual"  # only START_TRAINING or a person starts one

    class PromotionPolicy(models.TextChoices):
        """Which new versions are promoted."""

        NOT_WORSE = "not-worse", "if not worse than the served version"
        BETTER = "better", "if better than the served version"
        ALWAYS = "always", "always"
        MANUAL = "manual", "only by people"

    class PredictOnPromotion(models.TextChoices):
        NONE = "none", "no tasks"
        UNLABELLED = "unlabelled", "tasks without an annotation"
        ALL = "all", "all tasks"

    class Sampling(models.TextChoices):
        LABEL_STUDIO = "label-studio"  # as set there
        UNCERTAINTY = "uncertainty"  # the least certain tasks first

    labelstudio_id = models.BigIntegerField()
    # Unix seconds of creation. Label Studio reuses project IDs, so the ID alone is not
    # unique. 0 = not known yet.
    created_stamp = models.BigIntegerField(default=0)
    title = models.CharField(max_length=500, blank=True)
    label_config = models.TextField(blank=True)
    label_config_digest = models.CharField(max_length=64, blank=True)
    extra_params = JsonField(null=True, blank=True)
    hostname = models.CharField(max_length=500, blank=True)  # Label Studio's own URL
    active_version = models.ForeignKey(
        "registry.ModelVersion", models.PROTECT, null=True, blank=True, related_name="+"
    )
    archived_at = models.DateTimeField(null=True, blank=True)  # set by POST /delete
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # Training policy
    training_mode = models.CharField(
        max_length=6, choices=TrainingMode.choices, default=TrainingMode.AUTO
    )
    training_paused = models.BooleanField(default=False)  # no automatic runs
    min_annotations = models.PositiveIntegerField(default=1)  # new, to start a run
    debounce_s = models.PositiveIntegerField(default=0)  # quiet time before a run
    quiet_from = models.TimeField(null=True, blank=True)  # UTC; no automatic runs from
    quiet_until = models.TimeField(null=True, blank=True)  # UTC; until then
    # Null: TRAINING_TIME_LIMIT and TRAINING_MEMORY_MB apply.
    time_limit_s = models.PositiveIntegerField(null=True, blank=True)
    memory_mb = models.PositiveIntegerField(null=True, blank=True)

    # Hold-out, see `lsml/dataset/holdout.py`
    holdout_percent = models.PositiveSmallIntegerField(
        default=15, validators=[MaxValueValidator(HOLDOUT_PERCENT_MAX)]
    )  # of the annotated tasks; 0 = none
    holdout_fit = models.BooleanField(default=False)  # not given to `fit` either

    # Predictions that annotators do not see, see `lsml/inference/withheld.py`
    withheld_percent = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(WITHHELD_PERCENT_MAX)]
    )  # of the tasks

    # Promotion policy, see `lsml/quality/gates/`. A point is 0.01 of a score.
    promotion_policy = models.CharField(
        max_length=9, choices=PromotionPolicy.choices, default=PromotionPolicy.NOT_WORSE
    )
    gate_min_tasks = models.PositiveSmallIntegerField(  # held out
        default=TASKS_TO_TELL, validators=[MinValueValidator(1)]
    )
    gate_margin = models.PositiveSmallIntegerField(  # points that it may be worse
        default=3, validators=[MaxValueValidator(_POINTS_MAX)]
    )
    gate_label_margin = models.PositiveSmallIntegerField(  # points, for each label
        default=5, validators=[MaxValueValidator(_POINTS_MAX)]
    )
    gate_latency_factor = models.PositiveSmallIntegerField(  # how much slower
        default=2, validators=[MinValueValidator(1)]
    )
    # What passes on held-out tasks must then pass in shadow, on so many annotated ones;
    # 0 = need not. See `lsml/quality/evaluation/candidates.py`.
    gate_shadow_tasks = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(SHADOW_TASKS_MAX)]
    )
    # By the policy, if its live agreement is worse: `lsml/quality/live/rolling_back.py`
    roll_back_on_drop = models.BooleanField(default=False)

    # Shadow, see `lsml/inference/shadow/`
    shadow_version = models.ForeignKey(  # null = none
        "registry.ModelVersion", models.PROTECT, null=True, blank=True, related_name="+"
    )
    shadow_percent = (
        models.PositiveSmallIntegerField(  # of the tasks that are asked for
            default=SHADOW_PERCENT,
            validators=[MinValueValidator(1), MaxValueValidator(100)],
        )
    )

    # What follows the served version, see `Following`
    predict_on_promotion = models.CharField(
        max_length=10,
        choices=PredictOnPromotion.choices,
        default=PredictOnPromotion.NONE,
    )
    sampling = models.CharField(
        max_length=12, choices=Sampling.choices, default=Sampling.LABEL_STUDIO
    )
    # This service in Label Studio, as `connect` registered it; "" = not by `connect`.
    backend_url = models.CharField(max_length=500, blank=True)
    backend_title = models.CharField(max_length=500, blank=True)  # not a version's name

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["labelstudio_id", "created_stamp"], name="project_identity"
            ),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="project_quiet_hours_whole",
            ),
            models.CheckConstraint(
                condition=Q(holdout_percent__lte=HOLDOUT_PERCENT_MAX),
                name="project_holdout_percent",
            ),
            models.CheckConstraint(
                condition=Q(withheld_percent__lte=WITHHELD_PERCENT_MAX),
                name="project_withheld_percent",
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"Project {self.labelstudio_id}"

    def clean(self) -> None:
        """Refuse a policy that would promote every version without a comparison."""
        if self.gate_shadow_tasks and not self.holdout_percent:
            raise ValidationError(
                "Only a version that was compared on held-out tasks goes into shadow."
                " Hold out some annotated tasks (holdout_percent), or set"
                " gate_shadow_tasks to 0."
            )

    @property
    def key(self) -> ProjectKey:
        """The project's identity in Label Studio."""
        return ProjectKey(self.labelstudio_id, self.created_stamp or None)

    @property
    def served_version(self) -> str:
        """The name in the answer to `/setup` and in every prediction."""
        return self.active_version.version if self.active_version else INITIAL_VERSION

    def is_quiet_at(self, moment: time) -> bool:
        """Whether `moment` (UTC) lies in the quiet hours, which may span midnight."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= moment < self.quiet_until
        return moment >= self.quiet_from or moment < self.quiet_until


class ModelVersion(models.Model):
    """The result of a run. Only what says how it is used changes later.

    That is `state`, `notes`, `load_error` and `held_back`.
    """

    class State(models.TextChoices):
        READY = "ready"  # can be served
        ARCHIVED = "archived"  # kept, but not offered for promotion

    project = models.ForeignKey(Project, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()  # 1, 2, … within the project
    version = models.CharField(max_length=200)  # "v3", or what a legacy model set
    state = models.CharField(max_length=8, choices=State.choices, default=State.READY)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    artifact_key = models.CharField(max_length=500, blank=True)  # "" = nothing written
    artifact_sha256 = models.CharField(max_length=64, blank=True)
    artifact_bytes = models.BigIntegerField(default=0)
    metrics = JsonField(default=dict)  # name -> number, as the model reported
    snapshot_digest = models.CharField(max_length=64, blank=True)
    annotation_count = models.PositiveIntegerField(default=0)  # trained on
    held_out_tasks = models.PositiveIntegerField(default=0)  # never trained on
    label_config = models.TextField(blank=True)  # used for training
    label_config_digest = models.CharField(max_length=64, blank=True)
    # Labels of that config that the project's current config lacks.
    missing_labels = JsonField(default=list)
    # "git:<commit>", or "sha256:<digest of model.py>" if it differs from the commit.
    code_revision = models.CharField(max_length=80, blank=True)
    python_version = models.CharField(max_length=20, blank=True)
    packages = JsonField(default=dict)  # name -> version, installed at training
    notes = models.TextField(blank=True)
    # Why the last attempt to load it failed; "" = no failure is known.
    load_error = models.TextField(blank=True)
    held_back = models.TextField(blank=True)  # why, by the promotion policy; "" = not
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], name="version_number_once"
            ),
            models.UniqueConstraint(
                fields=["project", "version"], name="version_name_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} {self.version}"

    @property
    def trained(self) -> bool:
        """Whether a run made it, rather than the model by setting `model_version`."""
        return bool(self.snapshot_digest)


class Promotion(models.Model):
    """A change of the served version. Append-only."""

    # Time-ordered like audit rows, so that it can be sealed and exported with them.
    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("registry_promotion_id_seq")
    )
    project = models.ForeignKey(Project, models.PROTECT, related_name="promotions")
    from_version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, related_name="+"
    )
    # null = back to the untrained model
    to_version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, related_name="promotions"
    )
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)  # user name, or "policy"
    reason = models.TextField()
    # Why the promotion policy had held the version back, which a person promoted
    # nevertheless; "" = it had not.
    overrides = models.TextField(blank=True, db_default="")
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="promotion_by_project")]

    def __str__(self) -> str:
        return f"{self.project}: {self.from_version_id} → {self.to_version_id}"

    @property
    def rolled_back_by_policy(self) -> bool:
        """Whether the service went back to an earlier version by itself."""
        before, after = self.from_version, self.to_version
        if self.actor != POLICY or before is None:
            return False
        return after is None or after.number < before.number


class Following(models.Model):
    """How far predictions and Label Studio's order of tasks follow the promotions."""

    project = models.OneToOneField(
        Project, models.CASCADE, primary_key=True, related_name="following"
    )
    promotion = models.BigIntegerField(null=True)  # the last one noticed; 0 = none yet
    # Bulk predictions up to this one began before that promotion was noticed.
    jobs_before = models.BigIntegerField(default=0)
    # Label Studio orders tasks by this version's scores, since then; "" = it does not.
    version = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField(null=True)
    # Label Studio's setting before, for when ours is switched off; "" = not changed.
    sampling_before = models.CharField(max_length=50, blank=True)
    lease_expires_at = models.DateTimeField(null=True)  # null = no check is under way
    problem = models.TextField(blank=True)  # of the last check, as a sentence

    def __str__(self) -> str:
        return f"{self.project_id}: {self.version or 'no version'}"


class StateItem(models.Model):
    """A value that a model stored with `self.set(key, value)`, for all processes."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="state_items")
    key = models.CharField(max_length=500)
    value = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="state_key_once")
        ]

    def __str__(self) -> str:
        return self.key
