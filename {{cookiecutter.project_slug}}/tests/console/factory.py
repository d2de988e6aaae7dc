"""A small realistic history: projects, versions, runs, events, predictions."""

import math
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone

from lsml.audit import rollups
from lsml.audit.fields import first_id_at
from lsml.audit.models import Prediction, WebhookEvent
from lsml.audit.services import digest_of
from lsml.dataset.figures import percent
from lsml.dataset.models import Agreement, Annotation, LiveAgreementDay, Snapshot, Task
from lsml.observability.origin import Origin
from lsml.quality.models import Alarm, AlarmCheck, AnswerCheck, ErrorGroup, Evaluation
from lsml.registry import services
from lsml.registry.models import ModelVersion, Project, Promotion, StateItem
from lsml.training.models import (
    InboxEntry,
    MetricPoint,
    RunEvent,
    TrainingAttempt,
    TrainingRun,
)

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/><Choice value="Neutral"/>'
    "</Choices></View>"
)
ORIGIN = Origin(request_id="factory-0001", client="factory 127.0.0.1")
LABELS = ("Positive", "Negative", "Neutral")


def person(name, role=None):
    """A user who may log in, in the group of that role; no role = superuser."""
    user = User.objects.create_user(
        name, password="test-password", is_staff=True, is_superuser=role is None
    )
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def answer_check(of, model_version, *, checked, invalid):
    """Counts of checked answers, as a worker would have written them just now."""
    now = timezone.now()
    return AnswerCheck.objects.create(
        project=of,
        model_version=model_version,
        checked=checked,
        invalid=invalid,
        first_checked_at=now - timedelta(hours=2),
        last_checked_at=now,
        last_invalid_at=now if invalid else None,
        example_prediction_id=first_id_at(now),
        example_task_id=101,
        example_reason="Score must be between 0.00 and 1.00 inclusive, got 1.2",
    )


def alarm(of=None, **facts):
    """An open alarm, as workers that check the conditions leave it."""
    now = timezone.now()
    AlarmCheck.objects.update_or_create(pk=1, defaults={"checked_at": now})
    given = {
        "kind": Alarm.Kind.FAILED_RUN,
        "project": of,
        "sentence": "Run 7 failed: only one class",
        "next_step": "Read its log.",
        "first_seen_at": now,
        "opened_at": now,
        "last_seen_at": now,
    }
    return Alarm.objects.create(**given | facts)


def error_group(of, pattern="ValueError: empty text", **facts):
    """A group of failed predictions, as a worker keeps it."""
    now = timezone.now()
    given = {
        "source": "prediction",
        "count": 12,
        "versions": ["v2", "v3"],
        "first_seen_at": now - timedelta(hours=2),
        "last_seen_at": now,
        "example_id": first_id_at(now),
    }
    return ErrorGroup.objects.create(project=of, pattern=pattern, **given | facts)


def live_agreement(of, model_version):
    """The sums of today's annotations of two people, and of others."""
    return LiveAgreementDay.objects.create(
        project=of,
        model_version=model_version,
        day=timezone.now().date(),
        sums={
            "overall": {"": [20, 18, 18]},
            "controls": {"sentiment": [20, 18, 18]},
            "annotators": {"4711": [16, 16, 16], "": [4, 2, 2]},
        },
    )


def choice(label, score=0.9):
    return [
        {
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "score": score,
            "value": {"choices": [label]},
        }
    ]


def prediction(project, *, at, n=0, **facts):
    """A row as it would have been written at `at`, not saved."""
    given = {
        "request_id": f"request-{n // 8:08}",
        "client": "label-studio 10.0.0.7",
        "project_pk": project.pk,
        "task_id": n + 1,
        "model_version": "v1",
        "kind": "batch",
        "outcome": "ok",
        "score": 0.9,
        "result": choice(LABELS[n % 3]),
        "input_digest": digest_of(n),
        "latency_ms": 12.0 + n % 9,
        "batch_size": 8,
    }
    return Prediction(pk=first_id_at(at) | (n % 4096), created_at=at, **given | facts)


def event(project, *, at, n=0, action="ANNOTATION_CREATED", **facts):
    """A webhook event as it would have been written at `at`, not saved."""
    given = {
        "request_id": f"event-{n:08}",
        "client": "webhook token 10.0.0.7",
        "project_pk": project.pk,
        "task_id": n + 1,
        "annotation_ids": [1000 + n],
        "payload": {"action": action, "task": {"id": n + 1}, "n": n},
        "digest": digest_of(n),
    }
    return WebhookEvent(
        pk=first_id_at(at) | (n % 4096), received_at=at, action=action, **given | facts
    )


def project(title="Support mail", labelstudio_id=1, **facts):
    return Project.objects.create(
        labelstudio_id=labelstudio_id,
        created_stamp=1795433940,
        title=title,
        label_config=CONFIG,
        **{"hostname": "http://localhost:8080"} | facts,
    )


@transaction.atomic
def version(of, *, at=None, accuracy=0.8, parent=None, **facts):
    """A version with the metrics that the text starter reports."""
    at = at or timezone.now()
    made = services.register_version(
        project=of,
        facts=services.VersionFacts(
            parent=parent,
            artifact_key=f"artifacts/{of.pk}/{accuracy}.tar",
            artifact_sha256=digest_of(accuracy),
            artifact_bytes=183_204,
            metrics={
                "accuracy": accuracy,
                "loss": 1 - accuracy,
                "confusion_matrix": {
                    "labels": list(LABELS),
                    "rows": [[18, 2, 1], [1, 15, 3], [2, 2, 16]],
                },
                "per_label": {
                    label: {
                        "precision": accuracy,
                        "recall": accuracy - 0.03,
                        "f1": accuracy - 0.015,
                        "support": 20 + n,
                    }
                    for n, label in enumerate(LABELS)
                },
            },
            annotation_count=60,
            label_config=of.label_config,
            code_revision=digest_of("model.py"),
            python_version="3.11.7",
            packages={"scikit-learn": "1.7.2", "numpy": "2.3.4"},
        ),
        at=at,
        origin=ORIGIN,
    )
    ModelVersion.objects.filter(pk=made.pk).update(**facts)
    made.refresh_from_db()
    return made


def finished_run(of, made, *, at, points=20):
    """The run that made a version, with its curve, its log and its events."""
    snapshot, _ = Snapshot.objects.get_or_create(
        project=of,
        digest=digest_of(made.version),
        defaults={
            "annotation_ids": list(range(60)),
            "annotation_updates": [at] * 60,
            "annotation_digests": bytes(60 * 8),
            "task_count": 60,
            "label_counts": {"Positive": 24, "Negative": 21, "Neutral": 15},
            "held_out_task_count": made.held_out_tasks,
            "created_at": at,
        },
    )
    run = TrainingRun.objects.create(
        project=of,
        state="succeeded",
        trigger="annotations",
        requested_by="policy",
        attempts=1,
        created_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=48),
        progress=1,
        message="done",
        metrics={"accuracy": made.metrics["accuracy"]},
        log="reading 60 annotations\nfitting\nheld out 12, right 11\n",
        snapshot=snapshot,
        version=made,
    )
    ModelVersion.objects.filter(pk=made.pk).update(snapshot_digest=snapshot.digest)
    TrainingAttempt.objects.create(
        run=run,
        number=1,
        fence=1,
        worker="worker-1:4242",
        outcome="succeeded",
        started_at=at,
        finished_at=at + timedelta(seconds=48),
    )
    curve(run, at, points)
    return run


def curve(run, at, points):
    MetricPoint.objects.bulk_create(
        MetricPoint(
            run=run,
            attempt=1,
            step=step,
            at=at + timedelta(seconds=step),
            fraction=step / points,
            values={
                "loss": math.exp(-step / 6) + 0.05 * (step % 3),
                "accuracy": 1 - math.exp(-step / 5) * 0.7,
            },
        )
        for step in range(1, points + 1)
    )


def evaluation(made, other=None, *, at=None, score=0.9, before=0.83, **facts):
    """An ended evaluation of a version against another, on 43 held-out tasks."""
    at = at or timezone.now()
    name = other.version if other else "0.0.1"
    given = {
        "state": "succeeded",
        "requested_by": "policy",
        "attempts": 1,
        "created_at": at,
        "started_at": at,
        "finished_at": at + timedelta(seconds=4),
        "progress": 1,
        "done": 86,
        "total": 86,
        "policy": "not-worse",
        "verdict": "passed",
        "promoted": True,
        "reason": f"{percent(before)} → {percent(score)} on 43 held-out tasks",
        "task_count": 43,
        "report": {
            "versions": [figures(made.version, score), figures(name, before)],
            "comparison": {
                "difference": {"value": score - before, "low": -0.01, "high": 0.15},
                "bound": score - before - 0.04,
                "certainty": 0.8,
            },
        },
        "task_scores": [[101, 0.0, 1.0], [102, None, 0.0], [103, 1.0, 1.0]],
    }
    return Evaluation.objects.create(
        project=made.project, version=made, compared_with=other, **given | facts
    )


def figures(name, score, labels=LABELS):
    """A version's part of the report of an evaluation."""
    shares = {
        measure: [score - lower, score - lower - 0.08, min(score - lower + 0.06, 1)]
        for measure, lower in (("precision", 0.0), ("recall", 0.04), ("f1", 0.02))
    }
    whole = [score, score - 0.05, min(score + 0.04, 1)]
    return {
        "version": name,
        "answered": 43,
        "failed": 0,
        "error": "",
        "score": whole,
        "seconds_per_task": 0.004,
        "controls": {"sentiment": {"measure": "choices", "tasks": 43, "score": whole}},
        "labels": [
            {
                "label": f"sentiment: {label}",
                "annotated": max(20 - n, 1),
                "predicted": max(19 - n, 1),
                **shares,
            }
            for n, label in enumerate(labels)
        ],
    }


def running_run(of, *, at):
    """A run that a worker is working on."""
    run = TrainingRun.objects.create(
        project=of,
        state="running",
        trigger="start_training",
        requested_by="label studio",
        attempts=1,
        created_at=at,
        started_at=at,
        lease_owner="worker-1:4242",
        lease_expires_at=at + timedelta(minutes=5),
        fence=1,
        progress=0.4,
        message="epoch 4 of 10",
        log="epoch 1\nepoch 2\nepoch 3\n",
        metrics={"loss": 0.31},
    )
    TrainingAttempt.objects.create(
        run=run,
        number=1,
        fence=1,
        worker="worker-1:4242",
        started_at=at,
    )
    curve(run, at, 8)
    return run


@transaction.atomic
def story(*, predictions=400):
    """The history of one day of a new project, counted per hour as by the sealer."""
    made = history(project(), predictions=predictions)
    for table in ("audit_prediction", "audit_webhookevent"):
        rollups.count(table, "true")
    return made


def history(of, *, predictions):
    """Three versions, a failed run, a running one, and what led to them."""
    now = timezone.now()
    past = [now - timedelta(hours=hours) for hours in (20, 12, 5)]
    parent = None
    runs = []
    for at, accuracy in zip(past, (0.71, 0.83, 0.92), strict=True):
        made = version(of, at=at, accuracy=accuracy, parent=parent, held_out_tasks=43)
        runs.append(finished_run(of, made, at=at))
        earlier = parent.metrics["accuracy"] if parent else 0.4
        evaluation(made, parent, at=at, score=accuracy, before=earlier)
        promote(of, made, at)
        parent = made
    failed_run(of, at=now - timedelta(hours=3))
    running = running_run(of, at=now - timedelta(seconds=40))
    names = ("v1", "v2", "v3")
    rows = []
    for n in range(predictions):
        at = now - timedelta(seconds=(predictions - n) * 20 * 3600 // predictions)
        made = sum(at > then for then in past) or 1
        broken = n % 97 == 5
        rows.append(
            prediction(
                of,
                at=at,
                n=n,
                task_id=n % 120 + 1,
                model_version=names[made - 1],
                latency_ms=8 + (n * 7) % 23 + 4 * made,
                score=None if broken else 0.6 + (n % 40) / 100,
                result=None if broken else choice(LABELS[(n + made) % 3]),
                outcome="error" if broken else "ok",
                error="ValueError: empty text" if broken else "",
            )
        )
    Prediction.objects.bulk_create(rows)
    events = [event(of, at=now - timedelta(minutes=18 * n), n=n) for n in range(60)]
    WebhookEvent.objects.bulk_create(events)
    RunEvent.objects.bulk_create(
        RunEvent(
            run=runs[-1], event_id=e.pk, action=e.action, received_at=e.received_at
        )
        for e in events[20:]
    )
    waiting(of, events[:4])
    known(of, now)
    StateItem.objects.create(project=of, key="model_version", value="v3")
    return {"project": of, "running": running, "runs": runs, "latest": parent}


def promote(of, made, at):
    """A promotion at a past moment."""
    of.refresh_from_db()
    Promotion.objects.create(
        id=first_id_at(at),
        project=of,
        from_version=of.active_version,
        to_version=made,
        at=at,
        actor="policy",
        reason="the run succeeded",
    )
    of.active_version = made
    of.save()


def failed_run(of, *, at):
    run = TrainingRun.objects.create(
        project=of,
        state="failed",
        trigger="annotations",
        requested_by="policy",
        attempts=3,
        created_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=9),
        progress=0.2,
        log="Traceback (most recent call last):\n  ...\n",
        error="ValueError: only one class in the training data",
    )
    TrainingAttempt.objects.create(
        run=run,
        number=1,
        fence=1,
        worker="worker-1:4242",
        outcome="failed",
        started_at=at,
        finished_at=at + timedelta(seconds=9),
        error="ValueError: only one class in the training data",
    )
    return run


def waiting(of, events):
    InboxEntry.objects.bulk_create(
        InboxEntry(
            event_id=e.pk,
            project=of,
            action=e.action,
            received_at=e.received_at,
            annotations=1,
        )
        for e in events
    )


def known(of, now):
    """Tasks and annotations as last seen."""
    texts = (
        "The parcel came quickly, thank you!",
        "It broke on day one.",
        "Where is it?",
    )
    Task.objects.bulk_create(
        Task(project=of, task_id=n + 1, data={"text": texts[n % 3]}, updated_at=now)
        for n in range(120)
    )
    Annotation.objects.bulk_create(
        Annotation(
            project=of,
            annotation_id=1000 + n,
            task_id=n + 1,
            result=choice(LABELS[n % 3]),
            completed_by=1,
            lead_time=4.2,
            created_at=now,
            updated_at=now,
        )
        for n in range(60)
    )
    Agreement.objects.bulk_create(
        Agreement(
            project=of,
            prediction_id=first_id_at(now) | n,
            annotation_id=1000 + n,
            task_id=n + 1,
            model_version="v3",
            measure="choices",
            value=float(n % 5 != 0),
        )
        for n in range(60)
    )
