"""The interface of a kind of job, and the registered kinds. Apps register theirs."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Generic, TypeVar

from django.db import models, transaction

from lsml.jobs.models import Job
from lsml.observability.origin import Origin

J = TypeVar("J", bound=Job)


class Event(models.TextChoices):
    """The events of a job that the audit log may record."""

    REQUESTED = "requested"
    RETRIED = "retried"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobKind(Generic[J]):
    """One kind of job. Subclasses define what differs between kinds."""

    name: ClassVar[str]  # in URLs and commands
    model: type[J]
    task: ClassVar[str]  # name of the Celery task that runs one job
    # Whether the audit log also records success and failure.
    records_end: ClassVar[bool] = False
    # Whether an attempt continues where the last one stopped. If not, `done` restarts
    # at 0.
    resumes: ClassVar[bool] = False

    def transaction(self, job: J) -> AbstractContextManager[Any]:
        """Return the transaction in which a job changes its state."""
        return transaction.atomic()

    def on_attempt_lost(self, job: J, reason: str) -> None:
        """Close what the lost attempt left open. Called in that transaction."""

    def on_unfinished(self, job: J) -> None:
        """Give back what a failed or cancelled job took. Called in that transaction."""

    def on_end(self, job: J) -> None:
        """Start what follows the end of a job. Called in that transaction."""

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
        """Write the event to the audit log. Called in that transaction.

        `lsml/audit/job_kind.py` implements it: this package cannot import audit.
        """
        raise NotImplementedError

    def cause(self, job: J) -> str:
        """Return the id of the request that caused the job, for traces; "" = none."""
        return ""

    def may_retry(self, job: J) -> bool:
        """Whether there is anything to retry."""
        return job.state in {job.State.FAILED, job.State.CANCELLED}

    def retry(self, job: J, *, actor: str, origin: Origin) -> J:
        """Start and record a new job for what `job` did not finish.

        Raises:
            JobError: It cannot be started now; the message says why.
        """
        raise NotImplementedError

    def sweep(self) -> None:
        """Do this kind's part of a sweep. Several processes may run it at once."""


_kinds: dict[str, JobKind[Any]] = {}


def register(kind: JobKind[Any]) -> None:
    """Register a kind. Called by its AppConfig."""
    _kinds[kind.name] = kind


def all_kinds() -> list[JobKind[Any]]:
    """Return all registered kinds."""
    return list(_kinds.values())


def kind_named(name: str) -> JobKind[Any]:
    """Return the kind with that name.

    Raises:
        KeyError: There is none.
    """
    return _kinds[name]


def kind_of(job: J) -> JobKind[J]:
    """Return the kind that a job belongs to.

    Raises:
        LookupError: No kind is registered for that model.
    """
    for kind in _kinds.values():
        if isinstance(job, kind.model):
            return kind
    raise LookupError(f"No kind of job is registered for {type(job).__name__}.")
