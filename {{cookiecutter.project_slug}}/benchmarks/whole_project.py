"""Measures and checks `manage.py predict` against a real Label Studio.

    .venv/bin/python -m benchmarks.whole_project --tasks 20000 [--kills 10]

Starts Label Studio on SQLite and this service. The rate includes the start of the
command and all work of Label Studio. What Label Studio holds is read from its database.
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.labelstudio import studio as label_studio
from tests.labelstudio.conftest import CONFIG
from tests.labelstudio.service import PROJECT, Service
from tests.labelstudio.studio import Studio, free_port

RATE_MIN = 300  # tasks a second
MEMORY_MAX_MB = 300
_IMPORT = 5_000  # tasks per request
_GIVE_UP_S = 3_600
_KILL_WITHIN_S = 20
_WORKER = (
    "import sys, django; django.setup();"
    " from lsml.inference.bulk.work import predict_all;"
    " from lsml.jobs.sweeper import sweep; sweep(); predict_all(int(sys.argv[1]))"
)


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

    def predict(self, project: int) -> tuple[str, float, float]:
        """Run the command; return output, seconds, and the worker's MB."""
        started, peak = time.monotonic(), 0.0
        with tempfile.TemporaryFile("w+") as output:
            command = subprocess.Popen(
                [sys.executable, "manage.py", "predict", "--project", str(project)],
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
            peak = max(peak, _memory_mb(owner))
            output.seek(0)
            return output.read(), time.monotonic() - started, peak

    @contextmanager
    def only_this_worker(self) -> Iterator[None]:
        """Suspend the service's own workers: `dev` ends if one of them is killed."""
        dev = self.service.pid
        children = Path(f"/proc/{dev}/task/{dev}/children").read_text().split()
        workers = [
            int(pid)
            for pid in children
            if "celery" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)

    def job(self) -> dict:
        """Return the newest job."""
        [row] = self.service.rows(
            "SELECT * FROM inference_predictionjob ORDER BY id DESC LIMIT 1"
        )
        return row

    def check(self, what: str, holds: bool) -> None:
        print(f"  {'ok  ' if holds else 'FAIL'} {what}", flush=True)
        self.failed |= not holds


def speed(bench: Bench, count: int) -> None:
    """Predict a project, and once more."""
    project = bench.project([f"text {number}" for number in range(count)])
    said, seconds, memory = bench.predict(project)
    stored = bench.stored(project)
    rate = count / seconds
    job = bench.job()
    at_work = (job["finished_at"] - job["started_at"]).total_seconds()
    print(said.strip().splitlines()[-1])
    print(f"{seconds:.1f} s, of which the job {at_work:.1f} s")
    bench.check(f"{rate:.0f} tasks/s (at least {RATE_MIN})", rate >= RATE_MIN)
    held = f"{memory:.0f} MB of memory (at most {MEMORY_MAX_MB})"
    bench.check(held, 0 < memory <= MEMORY_MAX_MB)
    _once(bench, stored, count)
    _, seconds, _ = bench.predict(project)
    added = bench.stored(project).total() - stored.total()
    bench.check(f"again, in {seconds:.1f} s: {added} added", added == 0)


def problems(bench: Bench, count: int, invalid: int) -> None:
    """Delete 1 % of the tasks, and let the model answer `invalid` ones wrongly."""
    texts = [f"invalid {n}" if n < invalid else f"text {n}" for n in range(count)]
    random.shuffle(texts)
    project = bench.project(texts)
    rows = bench.studio_rows(
        "SELECT id FROM task WHERE project_id = ? AND data NOT LIKE '%invalid%'",
        project,
    )
    gone = random.sample([task_id for (task_id,) in rows], count // 100)
    bench.studio.call(
        "POST",
        "/api/dm/actions",
        id="delete_tasks",
        project=project,
        body={"selectedItems": {"all": False, "included": gone}},
    )
    _, seconds, _ = bench.predict(project)
    print(f"{count / seconds:.0f} tasks/s with deleted and invalid ones")
    job = bench.job()
    named = bench.service.rows(
        "SELECT kind, count(*) AS n FROM inference_predictionproblem"
        " WHERE job_id = %s GROUP BY kind",
        job["id"],
    )
    found = {row["kind"]: row["n"] for row in named}
    bench.check(f"{found} named", found == {"gone": len(gone), "invalid": invalid})
    _once(bench, bench.stored(project), count - len(gone) - invalid)
    before = bench.stored(project).total()
    bench.predict(project)
    added = bench.stored(project).total() - before
    bench.check(f"again: {added} added", added == 0)


def kills(bench: Bench, count: int, times: int) -> None:
    """Kill the process that runs the job, whatever it does, and start another."""
    project = bench.project([f"text {number}" for number in range(count)])
    with bench.only_this_worker():
        with suppress(subprocess.TimeoutExpired):
            _attempt(bench, ["manage.py", "predict", "--project", str(project)])
        killed, in_post = 1, bool(bench.job()["sending"])
        while bench.job()["state"] not in {"succeeded", "failed", "cancelled"}:
            time.sleep(5)  # the lease expires
            begins = killed < times
            with suppress(subprocess.TimeoutExpired):
                _attempt(bench, ["-c", _WORKER, str(bench.job()["id"])], kill=begins)
                continue
            killed += 1
            in_post += bool(bench.job()["sending"])
    job = bench.job()
    bench.check(
        f"{killed} kills, {in_post} during a POST: {job['state']}",
        job["state"] == "succeeded",
    )
    _once(bench, bench.stored(project), count)


def _attempt(bench: Bench, arguments: list[str], *, kill: bool = True) -> None:
    """Run a worker; kill it some seconds after it has the job."""
    worker = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=bench.service.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _GIVE_UP_S
        while kill and worker.poll() is None and time.monotonic() < deadline:
            rows = bench.service.rows(
                "SELECT 1 FROM inference_predictionjob WHERE lease_owner LIKE %s"
                " AND state = 'running'",
                f"%:{worker.pid}",
            )
            if rows:
                worker.wait(random.uniform(0, _KILL_WITHIN_S))
                return
            time.sleep(0.2)
        worker.wait(_GIVE_UP_S)
    finally:
        worker.kill()
        worker.wait()


def _once(bench: Bench, stored: Counter[int], expected: int) -> None:
    missing = expected - len(stored)
    double = sum(number > 1 for number in stored.values())
    bench.check(f"{missing} missing, {double} double", not missing and not double)


def _memory_mb(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Run the parts, and fail if a bar or a check does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_project")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--invalid", type=int, default=500)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started
    label_studio.START_TIMEOUT_S = 1_800
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="whole-") as folder:
        bench = Bench(Path(folder))
        try:
            bench.studio.start()
            bench.service.start()
            speed(bench, options.tasks)
            problems(bench, options.tasks, options.invalid)
            if options.kills:
                kills(bench, options.tasks, options.kills)
        finally:
            bench.service.stop()
            bench.studio.stop()
    print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit(bench.failed)


if __name__ == "__main__":
    main()
