"""What the job mechanism refuses. The messages are sentences for a person."""

from collections.abc import Mapping

from lsml.labelstudio.secrets import masked_text

_ERROR_CHARS_MAX = 2000


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


def storable(text: str) -> str:
    """Mask secrets, and replace the characters that PostgreSQL cannot store.

    These are NUL and unpaired surrogates. Both are legal in a Python string.
    """
    return masked_text(text).encode(errors="replace").decode()


def storable_names(values: Mapping[str, float]) -> dict[str, float]:
    """Make the names of metrics storable; JSON columns refuse NUL, too."""
    return {storable(name): value for name, value in values.items()}


def in_words(error: BaseException) -> str:
    """Describe an error: type and text, storable, at most about 2000 characters."""
    return f"{type(error).__name__}: {storable(str(error))[:_ERROR_CHARS_MAX]}"
