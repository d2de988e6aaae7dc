"""A project with all that the pages of quality show."""

from datetime import timedelta

from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation, LiveAgreementDay, Task
from lsml.inference.models import Shadow
from lsml.quality.models import DriftCheck
from tests.console import factory

_TASKS = range(2001, 2061)


def measured(of):
    """Add live agreement, a check for drift, and a version in shadow.

    Returns:
        The version in shadow; its evaluation held it back.
    """
    of.refresh_from_db()
    now = timezone.now()
    for version, right in ((of.served_version, 364), ("v2", 342)):
        LiveAgreementDay.objects.create(
            project=of,
            model_version=version,
            day=now.date(),
            sums={
                "overall": {"": [400, right, right]},
                "not_shown": {"": [25, 21, 21]},
                "controls": {"sentiment": [400, right, right]},
                "annotators": {"4711": [310, 290, 290], "4712": [90, 70, 70]},
                "scores": {"8": [400, 344, right]},
            },
        )
    _check(of, now)
    made = factory.version(of, accuracy=0.88, held_out_tasks=43)
    factory.evaluation(
        made, of.active_version, score=0.86, before=0.92, verdict="held back",
        promoted=False, reason="recall of Negative fell from 81 % to 62 % on 43 tasks",
    )  # fmt: skip
    of.shadow_version = made
    of.save()
    _shadow(of, made, now)
    return made


def _check(of, now):
    facts = {
        "reference_tasks": 1000,
        "divergence": 0.012,
        "threshold": 0.0157,
        "differs": False,
        "sentence": "",
    }
    longer = facts | {
        "name": "Length of text", "live_tasks": 500, "divergence": 0.41,
        "differs": True,
        "live": "median 420, a tenth from 910 characters",
        "reference": "median 80, a tenth from 140 characters",
        "sentence": f"Length of text differs from what {of.served_version} was trained"
        " on: median 420, a tenth from 910 characters, before median 80, a tenth from"
        " 140 characters.",
    }  # fmt: skip
    labels = facts | {
        "name": "Share of predicted labels (sentiment)", "live_tasks": 260,
        "reference_tasks": 240, "live": "“Positive” 41.2 %",
        "reference": "“Positive” 38.3 %",
    }  # fmt: skip
    first = f"{of.served_version}'s first predictions"
    DriftCheck.objects.create(
        project=of,
        model_version=of.served_version,
        checked_at=now,
        latest_prediction=1,
        live_tasks=500,
        features=[longer, labels],
        notes=[
            "Annotated labels are not compared: 12 of the 500 live tasks are"
            " annotated.",
            "Predictions: 260 of the 500 live tasks are compared; the others are"
            f" {first}, which these are compared with.",
        ],
    )


def _shadow(of, made, now):
    """Let both versions predict tasks that are annotated afterwards."""
    Task.objects.bulk_create(
        Task(project=of, task_id=n, data={"text": "Where is it?"}, updated_at=now)
        for n in _TASKS
    )
    Annotation.objects.bulk_create(
        Annotation(
            project=of,
            annotation_id=n,
            task_id=n,
            result=factory.choice(factory.LABELS[n % 3]),
            completed_by=4711,
            created_at=now + timedelta(seconds=1),
            updated_at=now,
        )
        for n in _TASKS
    )
    shadow = Shadow.objects.create(version=made, seal_number=0)
    versions = [(of.served_version, "batch", 15), (made.version, "shadow", 6)]
    for at, (version, kind, every) in enumerate(versions):
        Prediction.objects.bulk_create(
            factory.prediction(
                of,
                at=now - timedelta(seconds=60 + at),
                n=n,
                task_id=n,
                model_version=version,
                kind=kind,
                result=factory.choice(factory.LABELS[(n + (n % every == 0)) % 3]),
            )
            for n in _TASKS
        )
    for n in _TASKS:
        shadow.tasks.create(task_id=n, state="predicted")
