"""Collects a run's progress, to be written a few times a second."""

import time
from datetime import UTC, datetime
from typing import Any

from lsml.jobs.errors import storable, storable_names
from lsml.training.models import MetricPoint, TrainingAttempt, TrainingRun

LOG_BYTES_MAX = 1 << 16  # the end of the log is kept
_MESSAGE_MAX = 500
_LINE_BYTES_MAX = 1 << 12  # a longer line is cut in the middle
_WRITE_EVERY_S = 0.4  # progress is visible within a second
# The log is always rewritten as a whole, so a longer one is written less often.
_LOG_BYTES_PER_S = 1 << 14


class RunProgress:
    """Progress, metrics, points and log of one attempt."""

    def __init__(self, run: TrainingRun, attempt: TrainingAttempt) -> None:
        self._run = run
        self._attempt = attempt
        self._columns: dict[str, Any] = {}
        self._metrics: dict[str, float] = {}
        self._points: list[MetricPoint] = []
        self._log = bytearray(_earlier_log(run).encode())
        self._dropped = 0
        self._log_changed = self._log_pending = False
        self._log_written = self._written = 0.0  # monotonic seconds

    @property
    def due(self) -> bool:
        """Whether there is something to write and the pause is over."""
        now = time.monotonic()
        return now - self._written >= _WRITE_EVERY_S and (
            bool(self._columns) or self._log_due(now)
        )

    def progressed(self, facts: dict[str, Any]) -> None:
        """Add a progress message of the training process."""
        self._metrics |= storable_names(facts.get("metrics", {}))
        self._columns = {
            "progress": facts["fraction"],
            "message": storable(facts["message"])[:_MESSAGE_MAX],
            "metrics": self._metrics,
        }
        self._points += [
            MetricPoint(
                run=self._run,
                attempt=self._attempt.number,
                step=step,
                at=datetime.fromtimestamp(at, UTC),
                fraction=fraction,
                values=storable_names(values),
            )
            for step, at, fraction, values in facts.get("points", [])
        ]

    def printed(self, output: bytes) -> None:
        """Add what the training code printed."""
        self._log += output
        self._log_changed = True
        if surplus := max(0, len(self._log) - LOG_BYTES_MAX):
            # Cut at the end of a line: half of a secret would not be masked.
            end = self._log.find(b"\n", surplus - 1, surplus + _LINE_BYTES_MAX)
            surplus = end + 1 if end >= 0 else surplus
            del self._log[:surplus]
            self._dropped += surplus

    def columns(self, *, whole: bool = False) -> dict[str, Any]:
        """Return the changed columns, to be written with the lease.

        Args:
            whole: Include the log even if it was written a moment ago.
        """
        columns = dict(self._columns)
        if whole or self._log_due(time.monotonic()):
            columns["log"] = self._text()
            self._log_pending = True
        return columns

    def written(self) -> None:
        """Write the points, and note that the columns are in the database.

        Raises:
            OperationalError, InterfaceError: The database is down; nothing is lost.
        """
        MetricPoint.objects.bulk_create(self._points, ignore_conflicts=True)
        self._points = []
        self._columns = {}
        self._written = time.monotonic()
        if self._log_pending:
            self._log_pending = self._log_changed = False
            self._log_written = self._written

    def _log_due(self, now: float) -> bool:
        pause_s = _WRITE_EVERY_S + len(self._log) / _LOG_BYTES_PER_S
        return self._log_changed and now - self._log_written >= pause_s

    def _text(self) -> str:
        text = storable(self._log.decode(errors="replace"))
        if self._dropped:
            return f"… {self._dropped} earlier bytes were dropped …\n{text}"
        return text


def _earlier_log(run: TrainingRun) -> str:
    """Return what earlier attempts printed, and a line that separates this one."""
    if run.attempts < 2:
        return ""
    return f"{run.log}\n--- attempt {run.attempts} on {run.lease_owner} ---\n"
