"""What training refuses. The messages are sentences for a person."""

from lsml.jobs.errors import JobRefused


class AlreadyTraining(JobRefused):
    """The project has an active run; one at a time."""

    def __init__(self, run: object) -> None:
        super().__init__(f"{run} is not finished; wait for it, or cancel it first.")


class NotTrainable(JobRefused):
    """This project, or this model, cannot be trained."""
