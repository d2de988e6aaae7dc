"""What the job mechanism refuses. The messages are sentences for a person."""


class JobError(Exception):
    """Base of the refusals."""


class IllegalMove(JobError):
    """A job cannot go from its state to that one."""

    def __init__(self, job: object, target: str) -> None:
        super().__init__(f"{job} cannot become {target}.")


class Overtaken(JobError):
    """The job has changed since it was read: another process moved it first."""

    def __init__(self, job: object) -> None:
        super().__init__(f"{job} was changed by another process in the meantime.")


class JobRefused(JobError):
    """A job cannot be started; the sentence says why and what to do."""


class JobFailed(JobError):
    """The work cannot be completed. Raised by the work itself; becomes the error."""
