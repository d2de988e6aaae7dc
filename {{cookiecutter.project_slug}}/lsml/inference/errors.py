"""The errors of inference. Their messages are sentences for people."""

# What the user's code may raise. It runs in threads, where an interrupt is never the
# signal of that name, and where an exit would end the process with all other models.
USER_ERRORS = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit)


class ModelError(Exception):
    """The user's model raised, or returned what cannot be sent to Label Studio.

    The message says what was wrong; the original error, if any, is the cause.
    """


class ModelNotLoadable(ModelError):
    """The version's model cannot be fetched or loaded."""


class ModelTimedOut(ModelError):
    """The model did not answer within PREDICT_TIMEOUT_S."""

    def __init__(self, timeout_s: float, method: str = "predict()") -> None:
        self.timeout_s = timeout_s
        super().__init__(
            f"The model did not answer within {timeout_s:g} s (PREDICT_TIMEOUT_S)."
            f" {method} hangs, or the version is still loading and answers later."
        )


class ModelCrashed(ModelError):
    """The model ended its process while it predicted."""

    def __init__(self) -> None:
        super().__init__(
            "The model process ended during this prediction; its log may say why."
        )


class GivenUp(ModelError):
    """A job does not ask the version again; `cause` is the error that decided it."""

    def __init__(self, version: str, tasks: str, cause: ModelError) -> None:
        self.cause = cause
        if isinstance(cause, ModelTimedOut):
            found = (
                f"{version} did not answer within {cause.timeout_s:g} s"
                f" (PREDICT_TIMEOUT_S) on {tasks}."
            )
        elif isinstance(cause, ModelCrashed):
            found = f"{version} was predicting {tasks}. {cause}"
        else:
            found = (
                f"{version} failed on many tasks in a row; the last was {tasks}:"
                f" {cause}"
            )
        super().__init__(found)


class StillLoading(ModelError):
    """The model takes longer to load than the caller waits. Loading continues."""

    def __init__(self, version: str, *, waited_s: float) -> None:
        self.version, self.waited_s = version, waited_s
        super().__init__(
            f"Version {version} is still loading after {waited_s:g} s. Loading"
            " continues: try again in a moment."
        )


class ModelBusy(Exception):
    """The model cannot take this prediction now. No row is written."""

    def __init__(self, message: str, *, retry_after_s: int = 2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
