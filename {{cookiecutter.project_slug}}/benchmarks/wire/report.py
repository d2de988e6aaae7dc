"""The tables of `make bench`, and where docs/performance.md keeps them."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks.placement.measuring import Row
from benchmarks.service import ROOT
from benchmarks.wire.turns import BARE, EVENT, MANY, ONE, OURS, TEN, Turn, Work, median

CROWD = 64  # connections
_DOCUMENT = ROOT / "docs/performance.md"
_BEGIN, _END = "<!-- written by make bench -->", "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Crowd:
    """The service with CROWD connections, and in the turns between with 8."""

    few: list[Turn]
    many: list[Turn]
    health_p99_ms: float
    unhealthy: int  # probes of /health that did not get status 200


@dataclass(frozen=True, slots=True)
class Many:
    """Requests with 5,000 tasks."""

    turns: dict[str, list[Turn]]
    growth_mb: float  # of the web process that grew most

    def rows_per_s(self, side: str) -> float:
        """Return tasks by the time from sending the body to the whole answer."""
        return MANY.rows / median(self.turns[side], _p50) * 1000


def _rate(turn: Turn) -> float:
    return turn.load.per_second


def _p50(turn: Turn) -> float:
    return turn.load.p50_ms


def _p99(turn: Turn) -> float:
    return turn.load.p99_ms


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured. `str()` gives the tables."""

    turns: int
    seconds: int
    load_before: float  # the machine's average of the minute before
    compared: dict[Work, dict[str, list[Turn]]]
    crowd: Crowd
    many: Many

    @property
    def holds(self) -> bool:
        """Whether every promise holds."""
        return all(row.holds for row in self._promises())

    def __str__(self) -> str:
        return "\n\n".join(
            "\n".join(lines)
            for lines in (self._about(), self._rates(), self._cpu(), self._promised())
        )

    def _about(self) -> list[str]:
        today = date.today()  # noqa: DTZ011 - as the reader's calendar has it
        versions = ", ".join(
            f"{name} {version(name)}" for name in ("Django", "gunicorn", "psycopg")
        )
        return [
            f"Measured on {today:%d %B %Y}: {_machine()}, load average before the run"
            f" {self.load_before:.1f}; Python {platform.python_version()}, {versions}.",
            f"Medians of {self.turns} turns of {self.seconds} s on each side.",
        ]

    def _rates(self) -> list[str]:
        return [
            "| request | bare, req/s | ours, req/s | ratio | bare, p50 | ours, p50"
            " | bare, p99 | ours, p99 |",
            "|---|---|---|---|---|---|---|---|",
            *(
                f"| {work.name} | {self._of(BARE, work, _rate):.0f}"
                f" | {self._of(OURS, work, _rate):.0f}"
                f" | **{self._ratio(work):.2f}** | "
                + " | ".join(
                    f"{self._of(side, work, figure):.1f} ms"
                    for figure in (_p50, _p99)
                    for side in (BARE, OURS)
                )
                + " |"
                for work in self.compared
            ),
        ]

    def _cpu(self) -> list[str]:
        return [
            "| CPU time per request | bare, web | ours, web | bare, PostgreSQL"
            " | ours, PostgreSQL | ratio of both |",
            "|---|---|---|---|---|---|",
            *(
                _cpu_line(work.name, turns)
                for work, turns in {**self.compared, MANY: self.many.turns}.items()
            ),
        ]

    def _promised(self) -> list[str]:
        return ["| promise | required | measured | |", "|---|---|---|---|"] + [
            str(row) for row in self._promises()
        ]

    def _promises(self) -> list[Row]:
        rows = []
        for work, rate, p99 in ((ONE, 1.0, 1.0), (TEN, 1.0, None), (EVENT, 0.9, 2.0)):
            ratio = self._ratio(work)
            rows.append(_at_least(f"{work.name}: rate", rate, ratio, " × bare"))
            if p99 is not None:
                slower = self._of(OURS, work, _p99) / self._of(BARE, work, _p99)
                rows.append(_at_most(f"{work.name}: p99", p99, slower, " × bare"))
        return [*rows, *self._crowd_promises(), *self._many_promises()]

    def _crowd_promises(self) -> list[Row]:
        few, many = (median(each, _rate) for each in (self.crowd.few, self.crowd.many))
        errors = sum(turn.load.errors for turn in self.crowd.many)
        name = f"{CROWD} connections"
        return [
            _at_least(f"{name}: rate", 0.95, many / few, " × that of 8"),
            _at_most(f"{name}: errors", 0, errors + self.crowd.unhealthy, ""),
            _at_most(
                f"{name}: p99 of `/health` meanwhile",
                200,
                self.crowd.health_p99_ms,
                " ms",
            ),
        ]

    def _many_promises(self) -> list[Row]:
        name = "`/predict`, 5,000 tasks"
        bare, ours = (self.many.rows_per_s(side) for side in (BARE, OURS))
        return [
            Row(
                f"{name}: rows per second, from body to answer",
                "≥ 15,000",
                f"{ours:,.0f} (bare: {bare:,.0f})",
                ours >= 15_000,
            ),
            _at_most(
                f"{name}: growth of a web process", 150, self.many.growth_mb, " MB"
            ),
        ]

    def _of(self, side: str, work: Work, figure: Callable[[Turn], float]) -> float:
        return median(self.compared[work][side], figure)

    def _ratio(self, work: Work) -> float:
        return self._of(OURS, work, _rate) / self._of(BARE, work, _rate)


def _cpu_line(name: str, turns: dict[str, list[Turn]]) -> str:
    web = {side: median(each, _web_ms) for side, each in turns.items()}
    database = {side: median(each, _database_ms) for side, each in turns.items()}
    ratio = (web[OURS] + database[OURS]) / (web[BARE] + database[BARE])
    times = [web[BARE], web[OURS], database[BARE], database[OURS]]
    cells = " | ".join(f"{each:.2f} ms" for each in times)
    return f"| {name} | {cells} | {ratio:.2f} |"


def _web_ms(turn: Turn) -> float:
    return turn.web_ms


def _database_ms(turn: Turn) -> float:
    return turn.database_ms


def _at_least(what: str, required: float, measured: float, unit: str) -> Row:
    return Row(
        what, f"≥ {required:g}{unit}", f"{_short(measured)}{unit}", measured >= required
    )


def _at_most(what: str, required: float, measured: float, unit: str) -> Row:
    return Row(
        what, f"≤ {required:g}{unit}", f"{_short(measured)}{unit}", measured <= required
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value % 1 == 0 else f"{value:.2f}"


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model n")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB"


def write(report: Report) -> None:
    """Replace the tables in docs/performance.md."""
    text = _DOCUMENT.read_text("utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{report}\n\n{_END}{after}", "utf-8")
