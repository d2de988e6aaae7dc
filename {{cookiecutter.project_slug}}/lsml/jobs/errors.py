"""The errors of jobs. Their messages are sentences for people."""

from collections.abc import Mapping

from lsml.labelstudio.secrets import masked_text

_ERROR_CHARS_MAX = 2000


class JobError(Exception):
    """Base of the errors of jobs."""


class IllegalMove(JobError):
    """A job cannot move from its state to the requested one."""

    def __init__(self, job: object, target: str) -> None:
        super().__init__(f"{job} cannot become {target}.")


class NothingToRetry(IllegalMove):
    """A job is active, or has done all of its work."""

    def __init__(self, job: object) -> None:
        super().__init__(job, "a new attempt")
        self.args = (f"{job} left nothing to retry.",)


class Overtaken(JobError):
    """Another process has changed the job since it was read."""

    def __init__(self, job: object) -> None:
        super().__init__(f"{job} was changed by another process in the meantime.")


class JobRefused(JobError):
    """A job cannot be started; the sentence says why and what to do."""


class JobFailed(JobError):
    """The work cannot be completed. Raised by the work; the message becomes `error`."""


class AttemptFailed(JobError):
    """Raised by the work: this attempt cannot go on, but another one may succeed."""


def storable(text: str) -> str:
    """Mask secrets, and replace the characters that PostgreSQL cannot store.

    These are NUL and unpaired surrogates. Both are legal in a Python string.
    """
    return masked_text(text).encode(errors="replace").decode()


def storable_names(values: Mapping[str, float]) -> dict[str, float]:
    """Make the names of metrics storable; jsonb columns also refuse NUL."""
    return {storable(name): value for name, value in values.items()}


def in_words(error: BaseException) -> str:
    """Describe an error: type and text, storable, at most about 2000 characters."""
    return f"{type(error).__name__}: {storable(str(error))[:_ERROR_CHARS_MAX]}"
