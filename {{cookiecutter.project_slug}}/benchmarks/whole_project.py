"""Measures and checks `manage.py predict` against a real Label Studio.

    .venv/bin/python -m benchmarks.whole_project [--tasks 20000] [--parts speed kills]

Starts Label Studio on SQLite and this service. The rate includes the start of the
command and all work of Label Studio. What Label Studio holds is read from its database.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.whole_project_servers import Bench
from tests.labelstudio import studio as label_studio

RATE_MIN = 300  # tasks a second
MEMORY_MAX_MB = 300
KILLS = 10
_WORKER = (
    "import sys, django; django.setup();"
    " from lsml.inference.bulk.work import predict_all;"
    " from lsml.jobs.sweeper import sweep; sweep(); predict_all(int(sys.argv[1]))"
)


def speed(bench: Bench, count: int) -> None:
    """Predict a project, and once more."""
    project = bench.project([f"text {number}" for number in range(count)])
    ran = bench.predict(project)
    stored = bench.stored(project)
    rate = count / ran.seconds
    job = bench.job()
    at_work = (job["finished_at"] - job["started_at"]).total_seconds()
    print(ran.said.strip().splitlines()[-1])
    print(
        f"{ran.seconds:.1f} s, of which the job {at_work:.1f} s; CPU time"
        f" {ran.cpu_s:.0f} s, of Label Studio {ran.studio_cpu_s:.0f} s; load {_load()}"
    )
    bench.check(f"{rate:.0f} tasks/s (at least {RATE_MIN})", rate >= RATE_MIN)
    held = f"{ran.memory_mb:.0f} MB of memory (at most {MEMORY_MAX_MB})"
    bench.check(held, 0 < ran.memory_mb <= MEMORY_MAX_MB)
    _once(bench, stored, count)
    again = bench.predict(project)
    added = bench.stored(project).total() - stored.total()
    bench.check(f"again, in {again.seconds:.1f} s: {added} added", added == 0)


def problems(bench: Bench, count: int) -> None:
    """Delete 1 % of the tasks, and let the model answer 2.5 % wrongly."""
    invalid = count // 40
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
    ran = bench.predict(project)
    print(f"{count / ran.seconds:.0f} tasks/s with deleted and invalid ones")
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


def view_and_older(bench: Bench, count: int) -> None:
    """Predict the tasks of a view, then the others, and remove an older version."""
    project = bench.project([f"text {number % 2}" for number in range(count)])
    half = {
        "filter": "filter:tasks:data.text", "operator": "equal", "type": "String",
        "value": "text 1",
    }  # fmt: skip
    data = {"title": "Half", "filters": {"conjunction": "and", "items": [half]}}
    body = {"project": project, "data": data}
    view = bench.studio.call("POST", "/api/dm/views/", body=body)["id"]
    ran = bench.predict(project, "--view", str(view))
    print(f"a view of {count // 2} tasks: {ran.seconds:.1f} s")
    _once(bench, bench.stored(project), count // 2)
    bench.service.add_version(project, "older")
    bench.import_predictions(project, "older")
    ran = bench.predict(project, "--delete-older")
    removed = bench.job()["removed"]
    bench.check(f"{removed} of an older version removed", removed == count)
    print(f"with this and the other {count // 2} tasks: {ran.seconds:.1f} s")
    _once(bench, bench.stored(project), count)


def kills(bench: Bench, count: int) -> None:
    """Kill the process that runs the job, whatever it does, and start another."""
    project = bench.project([f"text {number}" for number in range(count)])
    with bench.only_this_worker():
        bench.attempt(["manage.py", "predict", "--project", str(project)])
        killed, in_post = 1, int(bool(bench.job()["sending"]))
        while bench.job()["state"] not in {"succeeded", "failed", "cancelled"}:
            time.sleep(5)  # the lease expires
            again = ["-c", _WORKER, str(bench.job()["id"])]
            if bench.attempt(again, kill=killed < KILLS):
                killed += 1
                in_post += bool(bench.job()["sending"])
    job = bench.job()
    bench.check(
        f"{killed} kills, {in_post} during a POST: {job['state']}",
        job["state"] == "succeeded",
    )
    _once(bench, bench.stored(project), count)


def _once(bench: Bench, stored: Counter[int], expected: int) -> None:
    missing = expected - len(stored)
    double = sum(number > 1 for number in stored.values())
    bench.check(f"{missing} missing, {double} double", not missing and not double)


PARTS = {
    "speed": speed,
    "problems": problems,
    "view": view_and_older,
    "kills": kills,
}


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    """Run the parts, and fail if a bar or a check does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_project")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started
    label_studio.START_TIMEOUT_S = 1_800
    print(f"cores {os.cpu_count()}, load {_load()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="whole-") as folder:
        bench = Bench(Path(folder))
        try:
            bench.studio.start()
            bench.service.start()
            for part in options.parts:
                PARTS[part](bench, options.tasks)
        finally:
            bench.service.stop()
            bench.studio.stop()
    print(f"load {_load()}")
    sys.exit(bench.failed)


if __name__ == "__main__":
    main()
