"""`{% load console %}`: times, numbers, badges, JSON and the progress of jobs."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

from django import template
from django.db.models import Model
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.audit.models import Prediction
from lsml.console import progress
from lsml.console.links import page_of
from lsml.console.numbers import milliseconds, readable, typographic
from lsml.dataset import figures
from lsml.jobs.models import Job
from lsml.labelstudio.results import words_of
from lsml.quality.models import ErrorGroup
from lsml.registry.held_out import TASKS_TO_TELL, too_few
from lsml.registry.models import Promotion
from lsml.training.models import TrainingRun

register = template.Library()
register.filter(milliseconds)
register.filter(typographic)

JSON_CHARS_MAX: Final = 20_000  # of one value; the rest is only counted
LOG_CHARS_SHOWN: Final = 20_000
_CELL_CHARS: Final = 80  # of an answer, in a list

_TONES: Final = {
    "good": {
        "ok",
        "succeeded",
        "serving",
        "ready",
        "valid",
        "alive",
        "passed",
        "cleared",
        "promoted",
    },
    "busy": {
        "running",
        "queued",
        "waiting",
        "handed_back",
        "acknowledged",
        "in shadow",
    },
    "bad": {
        "error",
        "failed",
        "lost",
        "broken",
        "refused",
        "deleted",
        "held back",
        "rolled back",
        "open",
        "did not pass",
        "does not pass",
    },
    "calm": {"empty", "cancelled", "archived", "paused", "skipped", "held", "0.0.1"},
}


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """Write a time in UTC. console.js shows the local time, and UTC on hover."""
    if at is None:
        return "–"
    utc = at.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="milliseconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03}",
        f"{utc:%Y-%m-%d %H:%M:%S}",
    )


@register.simple_tag
def duration(start: datetime | None, end: datetime | None) -> str:
    """Write how long something took, or has taken so far."""
    if start is None:
        return "–"
    return span((end or timezone.now()) - start)


@register.filter
def span(length: timedelta | None) -> str:
    """Write a length of time in its two largest units."""
    if length is None:
        return "–"
    seconds = max(length.total_seconds(), 0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (n, _unit) in enumerate(parts) if n), 3)
    return " ".join(f"{n} {unit}" for n, unit in parts[first : first + 2] if n)


@register.filter
def age(at: datetime | None) -> str:
    """Write how long ago a time was."""
    return span(timezone.now() - at) if at else "–"


@register.filter
def badge(word: str) -> SafeString:
    """Write a state as a coloured word; the word alone carries the meaning."""
    tone = next((tone for tone, words in _TONES.items() if word in words), "plain")
    return format_html('<span class="c-badge c-{}">{}</span>', tone, word)


@register.filter
def pretty_json(value: Any) -> SafeString:
    """Write JSON indented, cut to a readable length, and escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    cut = len(text) - JSON_CHARS_MAX
    note = _("… %d more characters") % cut if cut > 0 else ""
    return format_html(
        '<pre class="c-json" tabindex="0">{}{}</pre>', text[:JSON_CHARS_MAX], note
    )


@register.filter
def number(value: Any) -> str:
    """Write the value of a metric."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return typographic(f"{value:,}") if isinstance(value, int) else readable(value)


@register.filter
def held_out(tasks: int) -> str:
    """Write how many annotated tasks a version was not trained on."""
    if not tasks:
        return _("not held out")
    if tasks < TASKS_TO_TELL:
        return too_few(tasks)
    return _("%s tasks held out") % number(tasks)


@register.filter
def why(promotion: Promotion) -> str:
    """Write the reason of a promotion, and whether a person overrode the policy."""
    if not promotion.overrides:
        return promotion.reason
    return _("against the promotion policy: %s") % promotion.reason


@register.filter
def percent(share: float | None, count: int = 0) -> str:
    """Write a share: 93 %; with a decimal if it was measured on 100 or more."""
    return "–" if share is None else figures.percent(share, count)


@register.filter
def interval(values: list[float] | None, count: int = 0) -> str:
    """Write a share with its 95 % interval: 93 % (88–97 %)."""
    return "–" if values is None else figures.interval(values, count)


@register.filter
def change(difference: float | None, count: int = 0) -> str:
    """Write a difference of shares with its sign: +8 points, −3 points."""
    if difference is None:
        return "–"
    text = figures.points(difference, count)
    sign = "" if text.startswith(("-", "0 ", "0.0 ")) else "+"
    return sign + typographic(text)


@register.filter
def usual(value: float) -> str:
    """Write an average, rounded."""
    return f"{value:.1f}" if 0 < value < 10 else f"{value:,.0f}"


@register.filter
def unlocalised(value: float) -> str:
    """Write a number for an HTML attribute, the same in every language."""
    return repr(float(value))


@register.inclusion_tag("console/fragments/job.html", takes_context=True)
def job_progress(
    context: dict[str, Any], job: Job, *, brief: bool = False
) -> dict[str, Any]:
    """Render the progress of a job; console.js updates it while the job is active."""
    return {**progress.job_progress(job, brief=brief), "perms": context.get("perms")}


@register.filter
def page(model: Model) -> str:
    """Return the address of an object's page."""
    return page_of(model)


@register.filter
def example(group: ErrorGroup) -> str:
    """Return the address of the latest failure of a group."""
    of_run = group.source == ErrorGroup.Source.RUN
    return page_of(TrainingRun if of_run else Prediction, group.example_id)


@register.filter
def end_of_log(log: str) -> str:
    """Return the end of a long log."""
    return log[-LOG_CHARS_SHOWN:]


@register.inclusion_tag("console/connect.html")
def connect_command() -> dict[str, Any]:
    """Show the command that connects a Label Studio project."""
    return {}


@register.filter
def in_short(result: Any) -> str:
    """Write the first labels of a result, for a cell of a list."""
    words = words_of(result)
    text = ", ".join(words[:4]) + (" …" if len(words) > 4 else "")
    return text[:_CELL_CHARS] or (_("(open to see)") if result else _("nothing"))


@register.filter
def answer(prediction: Prediction) -> str:
    """Write what a version answered, or why it failed, for a cell of a list."""
    if prediction.outcome != Prediction.Outcome.ERROR:
        return in_short(prediction.result)
    first = next(iter(prediction.error.splitlines()), "")[:_CELL_CHARS]
    return _("failed: %s") % first if first else _("failed")


@register.filter
def beginning(data: dict[str, Any]) -> str:
    """Write the first values of a task's data, for a cell of a list."""
    return ", ".join(f"{key}: {value}" for key, value in list(data.items())[:2])[:90]


@register.filter
def yes_no(value: Any) -> Any:
    """Write booleans as words; return other values unchanged."""
    return (_("yes") if value else _("no")) if isinstance(value, bool) else value
