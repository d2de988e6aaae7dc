"""What training refuses. The messages are sentences for a person."""


class TrainingError(Exception):
    """Base of training's refusals."""


class IllegalMove(TrainingError):
    """A run cannot go from its state to that one."""

    def __init__(self, run: object, target: str) -> None:
        super().__init__(f"{run} cannot become {target}.")


class Overtaken(TrainingError):
    """The run is no longer as it was read: somebody else moved it first."""

    def __init__(self, run: object) -> None:
        super().__init__(f"{run} has moved on meanwhile.")


class AlreadyTraining(TrainingError):
    """The project has an active run; one at a time."""

    def __init__(self, run: object) -> None:
        super().__init__(f"{run} is not finished; wait for it, or cancel it first.")


class NotTrainable(TrainingError):
    """This project, or this model, is not trained."""
