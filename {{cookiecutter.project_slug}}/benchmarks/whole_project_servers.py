"""Label Studio, this service and their projects, for benchmarks/whole_project.py."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.labelstudio.conftest import CONFIG, region
from tests.labelstudio.service import PROJECT, Service
from tests.labelstudio.studio import Studio, free_port

_IMPORT = 5_000  # tasks or predictions per request
_PREDICT = [sys.executable, "manage.py", "predict", "--project"]
# After some seconds or, each second time, some tasks; 5,000 are sent together.
_KILL_WITHIN_S = 10
_KILL_WITHIN_TASKS = 7_000


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run of `manage.py predict` took."""

    said: str
    seconds: float
    memory_mb: float  # of the process that ran the job, at most
    cpu_s: float  # of the command, and of the worker if that ran the job
    studio_cpu_s: float  # of Label Studio meanwhile


class Bench:
    """Both servers, and what the checks found."""

    def __init__(self, folder: Path) -> None:
        self.studio = Studio(folder / "studio")
        self.service = Service(
            folder / "service",
            free_port(),
            LABEL_STUDIO_URL=self.studio.url,
            LABEL_STUDIO_API_KEY=self.studio.token,
            MODEL_CLASS="benchmarks.whole_project_model.WholeProjectModel",
            TRAINING_LEASE_S="4",
            TRAINING_SWEEP_S="1",
            TRAINING_MAX_ATTEMPTS="1000",
        )
        self.service.folder.mkdir()
        self.failed = False

    def project(self, texts: list[str]) -> int:
        """Create a project that is known to both, without webhooks."""
        number = self.studio.new_project(CONFIG, texts[:1])
        self.service.manage("sync", "--project", str(number))
        for start in range(1, len(texts), _IMPORT):
            body = [{"data": {"text": t}} for t in texts[start : start + _IMPORT]]
            self.studio.call("POST", f"/api/projects/{number}/import", body=body)
        rows = self.studio_rows(
            "SELECT id, data FROM task WHERE project_id = ? ORDER BY id", number
        )
        with self.service.database() as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO dataset_task (project_id, task_id, data, meta, updated_at)"
                " SELECT id, %s, %s::jsonb, '{}', now() FROM registry_project"
                " WHERE labelstudio_id = %s ON CONFLICT DO NOTHING",
                [(task_id, data, number) for task_id, data in rows],
            )
        return number

    def import_predictions(self, project: int, version: str) -> None:
        """Store a prediction of a version for each task."""
        result = [region("Positive")]
        rows = self.studio_rows("SELECT id FROM task WHERE project_id = ?", project)
        for start in range(0, len(rows), _IMPORT):
            body = [
                {"task": task_id, "model_version": version, "result": result}
                for (task_id,) in rows[start : start + _IMPORT]
            ]
            path = f"/api/projects/{project}/import/predictions"
            self.studio.call("POST", path, body=body)

    def studio_rows(self, query: str, *values: int) -> list[tuple]:
        """Read Label Studio's own database."""
        path = self.studio.folder / "data" / "label_studio.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def stored(self, project: int) -> Counter[int]:
        """Return how many predictions each task has in Label Studio."""
        return Counter(
            task_id
            for (task_id,) in self.studio_rows(
                "SELECT task_id FROM prediction WHERE project_id = ?", project
            )
        )

    def predict(self, project: int, *options: str) -> Ran:
        """Run the command to its end."""
        started, peak = time.monotonic(), 0.0
        cpu, studio_cpu = _cpu_of_commands_s(), _cpu_s(self.studio.pid)
        workers = {pid: _cpu_s(pid) for pid in self._workers()}
        with tempfile.TemporaryFile("w+") as output:
            command = subprocess.Popen(
                [*_PREDICT, str(project), *options],
                cwd=PROJECT,
                env=self.service.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            while command.poll() is None:
                peak = max(peak, _memory_mb(command.pid))
                time.sleep(0.1)
            # A worker of the service may have been quicker to claim the job.
            owner = int(self.job()["lease_owner"].rpartition(":")[2] or 0)
            if owner in workers:
                cpu += workers[owner] - _cpu_s(owner)
            output.seek(0)
            return Ran(
                said=output.read(),
                seconds=time.monotonic() - started,
                memory_mb=max(peak, _memory_mb(owner)),
                cpu_s=_cpu_of_commands_s() - cpu,
                studio_cpu_s=_cpu_s(self.studio.pid) - studio_cpu,
            )

    @contextmanager
    def only_this_worker(self) -> Iterator[None]:
        """Suspend the service's own workers: `dev` ends if one of them is killed."""
        workers = self._workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)

    def _workers(self) -> list[int]:
        dev = self.service.pid
        children = Path(f"/proc/{dev}/task/{dev}/children").read_text().split()
        return [
            int(pid)
            for pid in children
            if "celery" in Path(f"/proc/{pid}/cmdline").read_text()
        ]

    def job(self) -> dict:
        """Return the newest job."""
        [row] = self.service.rows(
            "SELECT * FROM inference_predictionjob ORDER BY id DESC LIMIT 1"
        )
        return row

    def attempt(self, arguments: list[str], *, kill: bool = True) -> bool:
        """Run a worker; kill it at a random moment. Return whether it was killed."""
        worker = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=self.service.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds = random.uniform(0, _KILL_WITHIN_S)
        tasks = random.choice([0, random.uniform(0, _KILL_WITHIN_TASKS)])
        try:
            claimed = None
            while worker.poll() is None:
                done = self._done_by(worker.pid) if kill else None
                if done is not None:
                    claimed = claimed or time.monotonic()
                    if time.monotonic() - claimed > seconds and done >= tasks:
                        return True
                time.sleep(0.1)
            return False
        finally:
            worker.kill()
            worker.wait()

    def _done_by(self, worker: int) -> int | None:
        """Return how many tasks a worker has done, if it has the job."""
        rows = self.service.rows(
            "SELECT done - done_before AS done FROM inference_predictionjob"
            " WHERE lease_owner LIKE %s AND state = 'running'",
            f"%:{worker}",
        )
        return rows[0]["done"] if rows else None

    def check(self, what: str, holds: bool) -> None:
        print(f"  {'ok  ' if holds else 'FAIL'} {what}", flush=True)
        self.failed |= not holds


def _cpu_of_commands_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
