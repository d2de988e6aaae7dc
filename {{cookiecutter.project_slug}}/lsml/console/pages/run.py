"""A run: progress, log, attempts and the events it took; cancel and retry."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.console.charts import Series, line_chart
from lsml.console.links import page_of
from lsml.console.origin import origin_of
from lsml.console.pages.access import needs, page
from lsml.console.pages.promotion import ReasonForm
from lsml.training.errors import TrainingError
from lsml.training.models import MetricPoint, TrainingRun
from lsml.training.runs import may_retry, request_cancel, retry_run

_POINTS_MAX: Final = 400  # of the curves; the newest
_LOG_CHARS: Final = 20_000  # the end of the log, which is what one waits for
_EVENTS_SHOWN: Final = 100


def run_context(request: HttpRequest, found: TrainingRun) -> dict[str, Any]:
    """Attempts with their logs, the curves, and the first of the events."""
    attempts = list(found.attempt_set.order_by("-number")[:10])
    failed = found.events.exclude(error="")
    return {
        "run": found,
        "attempts": attempts,
        "log": attempts[0].log[-_LOG_CHARS:] if attempts else "",
        "chart": curves(found),
        "event_ids": list(
            found.events.order_by("event_id").values_list("event_id", flat=True)[
                :_EVENTS_SHOWN
            ]
        ),
        "event_count": found.events.count(),
        "failed_events": failed.order_by("event_id")[:_EVENTS_SHOWN],
        "failed_count": failed.count(),
        "may_cancel": found.state in TrainingRun.ACTIVE
        and found.cancel_requested_at is None,
        "may_retry": may_retry(found),
    }


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


def last_log(run: TrainingRun) -> str:
    """The end of what the newest attempt printed."""
    attempt = run.attempt_set.order_by("-number").first()
    return attempt.log[-_LOG_CHARS:] if attempt else ""


@needs("operate")
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a run to stop."""
    run = get_object_or_404(TrainingRun.objects.select_related("project"), pk=pk)
    form = ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        context = {
            "title": _("Cancel run %d") % run.pk,
            "consequence": _(
                "The training sees it at its next report and ends; its events go back"
                " to the inbox and wait for the next event, or for you."
            ),
            "form": form,
            "back": page_of(run),
            "danger": True,
        }
        return page(request, "console/confirm.html", context)
    try:
        request_cancel(
            run=run,
            actor=request.user.get_username(),
            reason=form.cleaned_data["reason"],
            origin=origin_of(request),
        )
    except TrainingError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The run is asked to stop."))
    return redirect(page_of(run))


@needs("operate")
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a new run for what that one gave back, or set aside."""
    run = get_object_or_404(TrainingRun.objects.select_related("project"), pk=pk)
    if request.method != "POST":
        return redirect(page_of(run))
    try:
        fresh = retry_run(
            run=run, actor=request.user.get_username(), origin=origin_of(request)
        )
    except TrainingError as refused:
        messages.error(request, str(refused))
        return redirect(page_of(run))
    messages.success(request, _("Run %d waits for a worker.") % fresh.pk)
    return redirect(page_of(fresh))
