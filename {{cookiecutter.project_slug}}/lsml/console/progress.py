"""How far a job is: what the fragment `job.html` shows, alone or within a page."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.console.charts import Series, line_chart
from lsml.jobs.kinds import kind_of
from lsml.jobs.models import Job
from lsml.training.models import MetricPoint, TrainingRun

_POINTS_MAX: Final = 400  # of the curves; the newest


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a running job is."""

    per_second: float | None  # units
    left: timedelta | None


def progress_of(job: Job, *, brief: bool = False) -> dict[str, Any]:
    """The context of the fragment.

    Args:
        job: Of any kind.
        brief: Without log and curves.
    """
    context = {
        "job": job,
        "kind": kind_of(job).name,
        "active": job.state in Job.ACTIVE,
        "pace": pace(job),
        "brief": brief,
    }
    if isinstance(job, TrainingRun) and not brief:
        context["chart"] = curves(job)
    return context


def pace(job: Job) -> Pace | None:
    """Rate and time left of a running job; None where it does not run."""
    if job.state != Job.State.RUNNING or job.started_at is None:
        return None
    elapsed_s = (timezone.now() - job.started_at).total_seconds()
    rate = left_s = None
    if job.total:
        rate = (job.done - job.done_before) / max(elapsed_s, 0.001)
        left_s = (job.total - job.done) / rate if rate > 0 else None
    elif job.progress > 0.01:
        left_s = elapsed_s * (1 / job.progress - 1)
    return Pace(rate, None if left_s is None else timedelta(seconds=round(left_s)))


def curves(run: TrainingRun) -> SafeString | None:
    """The metrics of the last attempt by step, one curve each."""
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
