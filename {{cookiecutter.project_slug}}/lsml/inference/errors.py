"""The errors of inference. Their messages are sentences for people."""


class ModelError(Exception):
    """The user's model raised, or returned what cannot be sent to Label Studio.

    The message says what was wrong; the original error, if any, is the cause.
    """


class ModelNotLoadable(ModelError):
    """The version's model cannot be fetched or loaded in this process."""


class ModelBusy(Exception):
    """No place to run `predict()` became free within PREDICT_WAIT_S."""

    def __init__(self, *, waited_s: float, concurrency: int) -> None:
        self.retry_after_s = max(1, round(waited_s / 2))
        super().__init__(
            f"The model is busy: {concurrency} prediction(s) at a time, and none ended"
            f" within {waited_s:g} s. Try again, or raise the model's `concurrency`."
        )


class StillLoading(ModelError):
    """The model takes longer to load than the caller waits. Loading continues."""

    def __init__(self, version: str, *, waited_s: float) -> None:
        super().__init__(
            f"Version {version} is still loading after {waited_s:g} s. Loading"
            " continues: try again in a moment."
        )
