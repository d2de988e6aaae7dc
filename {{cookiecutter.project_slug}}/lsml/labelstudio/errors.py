"""What Label Studio (or whoever calls in its name) sent cannot be understood."""

from __future__ import annotations


class WireError(ValueError):
    """A request that is wrong; the message is a sentence for the sender.

    Attributes:
        field: path of the offending part, such as `tasks[3].data`, or `body`.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
