"""The kinds of jobs, for the tests of this folder."""

from lsml.audit import jobs
from lsml.audit.models import AuditEntry, AuditJob
from lsml.inference.bulk.jobs import kind as prediction_kind
from lsml.inference.models import PredictionJob
from lsml.quality.evaluation.jobs import kind as evaluation_kind
from lsml.quality.models import Evaluation
from lsml.training import runs
from lsml.training.models import TrainingRun

KINDS = ["runs", "prediction-jobs", "evaluations", "audit-jobs"]
MODELS = {
    "runs": TrainingRun,
    "prediction-jobs": PredictionJob,
    "evaluations": Evaluation,
    "audit-jobs": AuditJob,
}
TASKS = {
    "runs": runs.kind.task,
    "prediction-jobs": prediction_kind.task,
    "evaluations": evaluation_kind.task,
    "audit-jobs": jobs.kind.task,
}
VERBS = {
    "runs": "training",
    "prediction-jobs": "bulk prediction",
    "evaluations": "evaluation",
    "audit-jobs": "verify",
}


def url(name, job, action):
    return f"/api/v1/{name}/{job.pk}/{action}"


def send(client, address, body=None):
    return client.post(address, body or {}, format="json")


def entries():
    return [(e.verb, e.actor, e.reason) for e in AuditEntry.objects.order_by("pk")]


def may_change(group, name):
    return group in {"operator", "admin"} or (group, name) == ("auditor", "audit-jobs")
