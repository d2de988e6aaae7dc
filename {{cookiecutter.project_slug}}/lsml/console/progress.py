"""Progress of a job: the text in lists, and the context of the fragment job.html."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.console.charts import Series, line_chart
from lsml.console.numbers import short
from lsml.dataset.figures import percent
from lsml.inference.models import PredictionJob
from lsml.jobs.kinds import kind_of
from lsml.jobs.models import Job
from lsml.training.models import MetricPoint, TrainingRun

_POINTS_MAX: Final = 400  # of the curves; the newest


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a running job is; `rate` is in units a second, written out."""

    elapsed: timedelta
    rate: str
    left: timedelta | None


def job_progress(job: Job, *, brief: bool = False) -> dict[str, Any]:
    """Return the context of the fragment job.html.

    Args:
        job: Of any kind.
        brief: Show only the line of text, the bar, and a link to the job's page.
    """
    context = {
        "job": job,
        "kind": kind_of(job).name,
        "active": job.state in Job.ACTIVE,
        "amount": amount_done(job),
        "pace": pace(job),
        "brief": brief,
    }
    if isinstance(job, TrainingRun) and not brief:
        context["chart"] = curves(job)
    if isinstance(job, PredictionJob) and not brief:
        context["counts"] = prediction_counts(job)
    return context


def prediction_counts(job: PredictionJob) -> list[tuple[str, int]]:
    """Return what became of the tasks of a bulk prediction, as far as it is known."""
    counts = [
        (_("Predicted"), job.predicted),
        (_("Sent to Label Studio"), job.sent),
        (_("Already there"), job.already_there),
        (_("Not shown"), job.withheld),
        (_("Invalid"), job.invalid),
        (_("Deleted in Label Studio"), job.gone),
        (_("Failed"), job.failed),
        (_("Predictions of older versions removed"), job.removed),
    ]
    return [(label, count) for label, count in counts if count]


def amount_done(job: Job) -> str:
    """Return how much of a job is done: "60 / 150 tasks", or "40 %" for a training.

    The text is empty while the total is unknown.
    """
    if isinstance(job, TrainingRun):
        return percent(job.progress)
    if not job.total:
        return ""
    units = {"audit": _("rows"), "evaluation": _("predictions")}
    unit = units.get(kind_of(job).name, _("tasks"))
    return f"{job.done:,} / {job.total:,} {unit}"


def pace(job: Job) -> Pace | None:
    """Return time elapsed, rate and time left; None unless the job is running."""
    if job.state != Job.State.RUNNING or job.started_at is None:
        return None
    elapsed_s = max((timezone.now() - job.started_at).total_seconds(), 0.001)
    rate = left_s = None
    if job.total:
        rate = (job.done - job.done_before) / elapsed_s
        left_s = (job.total - job.done) / rate if rate > 0 else None
    elif job.progress > 0.01:
        left_s = elapsed_s * (1 / job.progress - 1)
    return Pace(
        elapsed=timedelta(seconds=elapsed_s),
        rate=short(rate) if rate else "",
        left=None if left_s is None else timedelta(seconds=round(left_s)),
    )


def curves(run: TrainingRun) -> SafeString | None:
    """Draw one curve per metric of the last attempt, by step."""
    points = MetricPoint.objects.filter(run=run, attempt=run.attempts).order_by("-step")
    rows = list(points.values_list("step", "values")[:_POINTS_MAX])[::-1]
    names = list(dict.fromkeys(name for _step, values in rows for name in values))[:6]
    series = [
        Series(
            name,
            [
                (step, float(values[name]))
                for step, values in rows
                if isinstance(values.get(name), int | float)
            ],
        )
        for name in names
    ]
    return line_chart(_("Metrics by step"), series)
