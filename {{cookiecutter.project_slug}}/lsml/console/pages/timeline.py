"""The timeline of a project: everything that happened, newest first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lsml.audit.fields import SEQUENCE_BITS, first_id_at
from lsml.audit.models import AuditEntry, WebhookEvent
from lsml.console.links import page_of
from lsml.console.numbers import whole_number
from lsml.console.pages.base import needs, page
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


def _events(project: Project, below: int, count: int) -> list[Entry]:
    rows = WebhookEvent.objects.filter(project_pk=project.pk, pk__lt=below)
    found = rows.order_by("-pk").only(
        "pk", "received_at", "action", "task_id", "client"
    )
    return [
        Entry(
            row.pk,
            row.received_at,
            "event",
            row.action + (f" #{row.task_id}" if row.task_id else ""),
            page_of(row),
            "label studio",
        )
        for row in found[:count]
    ]


def _entries(project: Project, below: int, count: int) -> list[Entry]:
    rows = AuditEntry.objects.filter(project_pk=project.pk, pk__lt=below).order_by(
        "-pk"
    )
    return [
        Entry(
            row.pk,
            row.at,
            "entry",
            f"{row.verb}: {row.target}" + (f" – {row.reason}" if row.reason else ""),
            page_of(row),
            row.actor,
        )
        for row in rows[:count]
    ]


def _promotions(project: Project, below: int, count: int) -> list[Entry]:
    rows = Promotion.objects.filter(project=project, pk__lt=below).order_by("-pk")
    return [
        Entry(
            row.pk,
            row.at,
            "promotion",
            _("%(version)s promoted: %(reason)s")
            % {
                "version": row.to_version.version if row.to_version else _("untrained"),
                "reason": row.reason,
            },
            page_of(row),
            row.actor,
        )
        for row in rows.select_related("to_version")[:count]
    ]


def _runs(project: Project, below: int, count: int) -> list[Entry]:
    rows = TrainingRun.objects.filter(project=project, created_at__lt=_moment(below))
    return [
        Entry(
            _key(row.created_at),
            row.created_at,
            "run",
            _("run %(run)d: %(state)s") % {"run": row.pk, "state": row.state},
            page_of(row),
            row.requested_by,
        )
        for row in rows.order_by("-created_at")[:count]
    ]


Source = Callable[[Project, int, int], list[Entry]]
KINDS: Final[dict[str, tuple[Any, Source]]] = {
    "event": (gettext_lazy("Events"), _events),
    "run": (gettext_lazy("Runs"), _runs),
    "promotion": (gettext_lazy("Promotions"), _promotions),
    "entry": (gettext_lazy("Audit entries"), _entries),
}


def entries(
    project: Project, *, kinds: list[str], below: int | None, count: int = PAGE
) -> list[Entry]:
    """Return the newest entries before the key `below`, with one query per kind."""
    below = _LAST_KEY if below is None else below
    found = [entry for kind in kinds for entry in KINDS[kind][1](project, below, count)]
    return sorted(found, key=lambda entry: -entry.key)[:count]


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
        "kinds": [(key, title) for key, (title, _source) in KINDS.items()],
        "kind": kind,
        "older": shown[-1].key if len(shown) == PAGE else None,
    }
    return page(request, "console/timeline.html", context)


def _key(moment: datetime) -> int:
    """Round down, so that the page after this entry does not repeat it."""
    return int(moment.timestamp() * 1000) << SEQUENCE_BITS


def _moment(key: int) -> datetime:
    return datetime.fromtimestamp((key >> SEQUENCE_BITS) / 1000, tz=UTC)
