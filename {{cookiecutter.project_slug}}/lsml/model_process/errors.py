"""The error of calls to the model process."""


class ModelProcessUnavailable(Exception):
    """The model process did not answer. Nothing was predicted; trying again is safe."""

    retry_after_s = 2


class ModelProcessEnded(ModelProcessUnavailable):
    """The model process ended while it worked on the request."""


class NoAnswerInTime(Exception):
    """The model process took a request and did not answer it within the time-out."""
