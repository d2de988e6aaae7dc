"""The kinds of job: what the mechanism must know of each. Apps register theirs."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Generic, TypeVar

from django.db import models, transaction

from lsml.jobs.models import Job
from lsml.observability.origin import Origin

J = TypeVar("J", bound=Job)


class Event(models.TextChoices):
    """What happens to a job that the audit log records."""

    REQUESTED = "requested"
    RETRIED = "retried"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobKind(Generic[J]):
    """One kind of job. Its methods are what differs between kinds."""

    name: ClassVar[str]  # in URLs and commands
    model: type[J]
    task: ClassVar[str]  # name of the Celery task that runs one job
    # Whether success and failure are recorded in the audit log as well.
    records_end: ClassVar[bool] = False
    # Whether an attempt continues where the last one stopped; else it counts from 0.
    resumes: ClassVar[bool] = False

    def transaction(self, job: J) -> AbstractContextManager[Any]:
        """The transaction in which a job changes its state."""
        return transaction.atomic()

    def on_attempt_lost(self, job: J, reason: str) -> None:
        """Close what the lost attempt left open, in that transaction."""

    def on_unfinished(self, job: J) -> None:
        """Give back what a failed or cancelled job took, in that transaction."""

    def on_end(self, job: J) -> None:
        """Arrange what follows once a job has ended, in that transaction."""

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
        """Write the event to the audit log, in that transaction.

        The audit room lies above this one; see `lsml/audit/job_kind.py`.
        """
        raise NotImplementedError

    def may_retry(self, job: J) -> bool:
        """Whether the job left anything to do."""
        return job.state in {job.State.FAILED, job.State.CANCELLED}

    def retry(self, job: J, *, actor: str, origin: Origin) -> J:
        """Start a new job that does what `job` did not finish, and record it.

        Raises:
            JobError: It cannot be started now; the sentence says why.
        """
        raise NotImplementedError

    def sweep(self) -> None:
        """Do this kind's own part of a sweep; harmless when done twice at once."""


_kinds: dict[str, JobKind[Any]] = {}


def register(kind: JobKind[Any]) -> None:
    """Make a kind known; called by its AppConfig."""
    _kinds[kind.name] = kind


def all_kinds() -> list[JobKind[Any]]:
    """Every registered kind."""
    return list(_kinds.values())


def kind_named(name: str) -> JobKind[Any]:
    """The kind with that name.

    Raises:
        KeyError: There is none.
    """
    return _kinds[name]


def kind_of(job: J) -> JobKind[J]:
    """The kind that a job belongs to.

    Raises:
        LookupError: No kind is registered for that model.
    """
    for kind in _kinds.values():
        if isinstance(job, kind.model):
            return kind
    raise LookupError(f"No kind of job is registered for {type(job).__name__}.")
