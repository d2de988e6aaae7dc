"""The timeline of a project: everything that happened, newest first."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lsml.audit.fields import SEQUENCE_BITS, first_id_at
from lsml.audit.models import AuditEntry, WebhookEvent
from lsml.console.links import page_of
from lsml.console.numbers import whole_number
from lsml.console.pages.base import needs, page
from lsml.console.templatetags.console import why
from lsml.registry.models import Project, Promotion
from lsml.training.models import TrainingRun

PAGE: Final = 50
_LAST_KEY: Final = first_id_at(datetime(2100, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    key: int  # time-ordered, like the IDs of audit rows
    at: datetime
    kind: str
    text: str
    address: str
    actor: str = ""


def _events(project: Project, below: int) -> QuerySet[Any]:
    rows = WebhookEvent.objects.filter(project_pk=project.pk, pk__lt=below)
    return rows.order_by("-pk").only("pk", "received_at", "action", "task_id", "client")


def _event(row: WebhookEvent) -> Entry:
    text = row.action + (f" #{row.task_id}" if row.task_id else "")
    return Entry(row.pk, row.received_at, "event", text, page_of(row), "label studio")


def _audit_entries(project: Project, below: int) -> QuerySet[Any]:
    rows = AuditEntry.objects.filter(project_pk=project.pk, pk__lt=below)
    return rows.order_by("-pk")


def _audit_entry(row: AuditEntry) -> Entry:
    text = f"{row.verb}: {row.target}" + (f" – {row.reason}" if row.reason else "")
    return Entry(row.pk, row.at, "entry", text, page_of(row), row.actor)


def _promotions(project: Project, below: int) -> QuerySet[Any]:
    rows = Promotion.objects.filter(project=project, pk__lt=below)
    return rows.select_related("to_version").order_by("-pk")


def _promotion(row: Promotion) -> Entry:
    text = _("%(version)s promoted: %(reason)s") % {
        "version": row.to_version.version if row.to_version else _("untrained"),
        "reason": why(row),
    }
    return Entry(row.pk, row.at, "promotion", text, page_of(row), row.actor)


def _runs(project: Project, below: int) -> QuerySet[Any]:
    rows = TrainingRun.objects.filter(project=project, created_at__lt=_moment(below))
    return rows.defer("log").order_by("-created_at")


def _run(row: TrainingRun) -> Entry:
    text = _("run %(run)d: %(state)s") % {"run": row.pk, "state": row.state}
    key, at = _key(row.created_at), row.created_at
    return Entry(key, at, "run", text, page_of(row), row.requested_by)


@dataclass(frozen=True, slots=True)
class Source:
    """A table whose rows are entries."""

    title: Any
    rows: Callable[[Project, int], QuerySet[Any]]  # before a key, the newest first
    entry: Callable[[Any], Entry]


KINDS: Final[dict[str, Source]] = {
    "event": Source(gettext_lazy("Events"), _events, _event),
    "run": Source(gettext_lazy("Runs"), _runs, _run),
    "promotion": Source(gettext_lazy("Promotions"), _promotions, _promotion),
    "entry": Source(gettext_lazy("Audit entries"), _audit_entries, _audit_entry),
}


def entries(
    project: Project, *, kinds: list[str], below: int | None, count: int = PAGE
) -> list[Entry]:
    """Return the newest entries before the key `below`, with one query per kind."""
    below = _LAST_KEY if below is None else below
    rows = {kind: KINDS[kind].rows(project, below)[:count] for kind in kinds}
    return _merged(rows)[:count]


def newest(project: Project, count: int, **read: list[Any]) -> list[Entry]:
    """Return the newest entries of all kinds.

    Args:
        project: Whose they are.
        count: How many of them.
        read: By kind, at least so many of the newest rows that were read already.
    """
    others = KINDS.keys() - read.keys()
    rows = {kind: KINDS[kind].rows(project, _LAST_KEY)[:count] for kind in others}
    return _merged({**rows, **read})[:count]


def _merged(rows: Mapping[str, Iterable[Any]]) -> list[Entry]:
    found = [KINDS[kind].entry(row) for kind, those in rows.items() for row in those]
    return sorted(found, key=lambda entry: -entry.key)


@needs("read")
def timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the timeline, paged by time; `?kind=` filters it."""
    project = get_object_or_404(Project, pk=pk)
    kind = request.GET.get("kind", "")
    shown = entries(
        project,
        kinds=[kind] if kind in KINDS else list(KINDS),
        below=whole_number(request.GET.get("before", ""), most=_LAST_KEY),
    )
    context = {
        "title": _("Timeline of %(project)s") % {"project": project},
        "project": project,
        "entries": shown,
        "kinds": [(key, source.title) for key, source in KINDS.items()],
        "kind": kind,
        "older": shown[-1].key if len(shown) == PAGE else None,
    }
    return page(request, "console/timeline.html", context)


def _key(moment: datetime) -> int:
    """Round down, so that the page after this entry does not repeat it."""
    return int(moment.timestamp() * 1000) << SEQUENCE_BITS


def _moment(key: int) -> datetime:
    return datetime.fromtimestamp((key >> SEQUENCE_BITS) / 1000, tz=UTC)
