"""The base of all kinds of job: records their events in the audit log."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.jobs.kinds import Event, J, JobKind
from lsml.observability.origin import Origin

# How much the clocks of the host and of PostgreSQL, which ids are made by, may differ.
_AROUND: Final = timedelta(minutes=1)


class RecordedJobKind(JobKind[J]):
    """A kind of job whose events become audit entries."""

    noun: ClassVar[str]  # in the entry's `target`, before the job's number
    verbs: ClassVar[Mapping[Event, AuditEntry.Verb]]

    def record(
        self,
        job: J,
        event: Event,
        *,
        actor: str,
        origin: Origin,
        reason: str = "",
        **detail: Any,
    ) -> None:
        """Write the event to the audit log.

        Args:
            job: The job that the event is about.
            event: What happened to it.
            actor: User name, or the command.
            origin: Of the request.
            reason: As the person wrote it.
            detail: Facts of this event, as JSON; added to those of the kind.
        """
        record_entry(
            origin=origin,
            at=timezone.now(),
            actor=actor,
            verb=self.verb(job, event),
            target=f"{self.noun} {job.pk}",
            project_pk=getattr(job, "project_id", None),
            reason=reason,
            detail=self.detail(job) | detail,
        )

    def cause(self, job: J) -> str:
        """Return the id of the request by which a person asked for the job."""
        asked = AuditEntry.objects.since(job.created_at - _AROUND).filter(
            verb__in=[
                self.verb(job, each) for each in (Event.REQUESTED, Event.RETRIED)
            ],
            target=f"{self.noun} {job.pk}",
        )
        # What a command writes has an id, too, but no request.
        requests = asked.exclude(client__startswith="manage.py")
        return requests.values_list("request_id", flat=True).first() or ""

    def verb(self, job: J, event: Event) -> AuditEntry.Verb:
        """Return the verb that records the event."""
        return self.verbs[event]

    def detail(self, job: J) -> dict[str, Any]:
        """Return the facts that every entry of the kind has, as JSON."""
        return {}
