"""The errors of training, and sentences for what the user's code raised."""

from lsml.jobs import errors
from lsml.jobs.errors import JobFailed, JobRefused


class AlreadyTraining(JobRefused):
    """The project already has an active run."""

    def __init__(self, run: object) -> None:
        super().__init__(f"{run} is not finished; wait for it, or cancel it first.")


class NotTrainable(JobRefused):
    """This project or this model cannot be trained."""


class FitFailed(JobFailed):
    """No call of a legacy `fit` returned, and at least one raised."""

    def __init__(self, event_errors: dict[str, str]) -> None:
        """Keep the errors.

        Args:
            event_errors: Event id -> why `fit` failed on it, in the order received; at
                least one.
        """
        count, first = len(event_errors), next(iter(event_errors.values()))
        events = "1 event" if count == 1 else f"{count} events"
        super().__init__(f"fit() failed on {events} and learned nothing: {first}")
        self.event_errors = event_errors


def in_words(error: BaseException, memory_mb: int = 0) -> str:
    """Describe what user code raised, in a sentence or as type and text.

    Args:
        error: As caught.
        memory_mb: The memory limit that was in force; 0 = none.
    """
    if isinstance(error, MemoryError) and memory_mb:
        return f"Out of memory: over the limit of {memory_mb} MB (TRAINING_MEMORY_MB)."
    if isinstance(error, SystemExit):
        return f"The training code called sys.exit({error.code!r})."
    return errors.in_words(error)
