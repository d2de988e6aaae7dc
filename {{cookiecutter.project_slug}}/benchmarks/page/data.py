"""Fills a database with a month of history."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from lsml.audit.models import AuditEntry, WebhookEvent
from lsml.audit.sealing import seal
from lsml.audit.seeding import seed_predictions
from lsml.audit.services import record_entry
from tests.console import factory, job_states
from tests.console.shapes import drawn_predictions

USER = "bench"
_PROJECTS = 10
_EVENTS = 20_000
_ENTRIES = 200
_MONTH = timedelta(days=30)


def fill(predictions: int) -> None:
    """Write ten projects with versions, runs and jobs, and a month of audit rows.

    Args:
        predictions: Rows of the largest table.
    """
    User.objects.create_superuser(USER)
    now = timezone.now()
    projects = [
        factory.project(f"Project {number}", 100 + number)
        for number in range(1, _PROJECTS + 1)
    ]
    keys = [project.pk for project in projects]
    seed_predictions(number=predictions, projects=keys, since=now - _MONTH, until=now)
    WebhookEvent.objects.bulk_create(
        factory.event(projects[n % _PROJECTS], at=now - n * _MONTH / _EVENTS, n=n)
        for n in range(_EVENTS)
    )
    for n in range(_ENTRIES):
        record_entry(
            origin=factory.ORIGIN,
            at=now,
            actor=USER,
            verb=AuditEntry.Verb.POLICY_CHANGED,
            target="policy",
            project_pk=keys[n % _PROJECTS],
        )
    for project in projects:
        factory.history(project, predictions=0)
        for state in set(job_states.STATES) - {"queued"}:
            job_states.job("prediction", state, project)
            job_states.job("audit", state)
    drawn_predictions()
    seal()  # counts the rows per hour as well
