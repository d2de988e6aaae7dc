"""What all bars use: a row of the table, and services to measure."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Answer, Request, in_background, keep_sending
from benchmarks.service import Service, service

CONSTANT = "tests.models.constant.ConstantModel"
CLICK = {"result": [{"id": "click", "from_name": "sentiment", "to_name": "text"}]}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    required: str
    measured: str
    holds: bool | None = None  # None = for comparison only

    def __str__(self) -> str:
        held = {True: "held", False: "NOT HELD", None: ""}[self.holds]
        return f"| {self.what} | {self.required} | {self.measured} | {held} |"


@dataclass(frozen=True, slots=True)
class Measuring:
    """Where and how thoroughly to measure."""

    folder: Path
    quick: bool

    def service(
        self, model: str, placement: str = "process", **environment: str
    ) -> AbstractContextManager[Service]:
        """Run a service with a model of tests/models/placements.py, or by full name."""
        name = model if "." in model else f"tests.models.placements.{model}"
        return service(self.folder, model=name, placement=placement, **environment)


def answers_of(request: Request, *, clients: int, seconds: float) -> list[Answer]:
    """Send a request from clients in a process of their own, for some seconds."""
    with in_background(keep_sending, request, clients, seconds) as result:
        answers: list[Answer] = result()
    return answers
