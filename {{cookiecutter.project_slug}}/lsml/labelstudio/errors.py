"""The error for requests that cannot be understood."""

from __future__ import annotations


class WireError(ValueError):
    """A request cannot be understood; the message is a sentence for the sender.

    Attributes:
        field: path of the invalid part, such as `tasks[3].data`, or `body`.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class BodyTooLarge(WireError):
    """The body has more values than the service may hold in memory at once."""
