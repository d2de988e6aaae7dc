"""The error of the embedded servers."""


class ServerError(Exception):
    """An embedded server cannot start, run or stop. The message has the next step."""
