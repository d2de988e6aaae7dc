"""Measures what a version in shadow costs those who call `/predict`.

    python -m benchmarks.shadow --placement process

Real servers, web, worker and beat on this machine, and with `process` both model
processes; `--one-model-process` leaves the one for the background away. Tasks are asked
for evenly, each once, by turns with and without a version in shadow. Each turn begins
with some seconds that are not measured, until predictions were sealed and the worker
has seen them.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import Answer, median_ms, percentile_ms, send_once
from benchmarks.service import CREATED, LABEL_CONFIG, ROOT, Service, servers, service
from benchmarks.shadow_model import PREDICT_MS

_PER_S: Final = 20
_SETTLE_S: Final = 25  # a seal, and a round of the worker
_MODEL: Final = "benchmarks.shadow_model.PurePython"


def main() -> None:
    """Measure, and print the times of both sides."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shadow")
    parser.add_argument("--placement", choices=["web", "process"], default="process")
    parser.add_argument("--one-model-process", action="store_true")
    parser.add_argument("--percent", type=int, default=20)
    parser.add_argument("--predict-ms", default="5", help="of the model, per task")
    parser.add_argument("--seconds", type=int, default=30, help="length of a turn")
    parser.add_argument("--turns", type=int, default=4, help="of each side")
    options = parser.parse_args()
    os.environ[PREDICT_MS] = options.predict_ms
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}", flush=True)
    background = options.placement == "process" and not options.one_model_process
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        servers(Path(folder)),
        service(
            Path(folder),
            model=_MODEL,
            placement=options.placement,
            background=background,
        ) as running,
        _celery(running, "worker", "-Q", "default,scheduled", "--pool", "threads"),
        _celery(running, "beat"),
    ):
        _measure(running, options)


def _measure(running: Service, options: argparse.Namespace) -> None:
    from lsml.audit.models import Prediction

    tasks = iter(_prepare(_PER_S * 2 * options.turns * (options.seconds + _SETTLE_S)))
    found: dict[bool, list[Answer]] = {False: [], True: []}
    for _ in range(options.turns):
        for shadow in (False, True):
            _switch(options.percent if shadow else 0)
            _ask(running, tasks, _SETTLE_S)
            before = Prediction.objects.filter(kind="shadow").count()
            answers = _ask(running, tasks, options.seconds)
            after = Prediction.objects.filter(kind="shadow").count()
            found[shadow] += answers
            name = f"shadow {options.percent} %" if shadow else "no shadow"
            print(f"{_figures(name, answers)}, {after - before} in shadow", flush=True)
    print()
    for shadow, answers in found.items():
        print(_figures("with a shadow" if shadow else "without", answers))
    without, beside = (percentile_ms(found[each], 99) for each in (False, True))
    print(f"p99: {100 * (beside / without - 1):+.1f} %")
    print(f"load {os.getloadavg()[0]:.1f}")


def _figures(name: str, answers: list[Answer]) -> str:
    failed = sum(each.status != 200 for each in answers)
    return (
        f"{name:<14} {len(answers):5} answers, median {median_ms(answers):6.2f} ms,"
        f" p99 {percentile_ms(answers, 99):6.2f} ms, {failed} failed,"
        f" load {os.getloadavg()[0]:.1f}"
    )


def _prepare(count: int) -> range:
    """Create a project that serves v1, with v2 and tasks, and return their numbers."""
    from django.utils import timezone

    from lsml.dataset.models import Task
    from lsml.observability.origin import Origin
    from lsml.registry.models import Project
    from lsml.registry.services import promote

    now = timezone.now()
    project = Project.objects.get(labelstudio_id=1, created_stamp=CREATED)
    assert project.label_config == LABEL_CONFIG
    for number in (1, 2):
        project.versions.create(number=number, version=f"v{number}", created_at=now)
    promote(
        project=project,
        version=project.versions.get(number=1),
        actor="bench",
        reason="",
        origin=Origin(request_id="bench", client="bench"),
    )
    numbers = range(2, count + 2)
    Task.objects.bulk_create(
        Task(
            project=project,
            task_id=number,
            data={"text": "I love this product"},
            updated_at=now,
        )
        for number in numbers
    )
    return numbers


def _switch(percent: int) -> None:
    from lsml.registry.models import ModelVersion, Project

    version = ModelVersion.objects.get(version="v2") if percent else None
    Project.objects.update(shadow_version=version, shadow_percent=percent or 20)


def _ask(running: Service, tasks: Iterator[int], seconds: int) -> list[Answer]:
    """Ask for tasks evenly, whether those before were answered or not."""
    started = time.monotonic()
    pending = []
    with ThreadPoolExecutor(16) as threads:
        for number in range(seconds * _PER_S):
            time.sleep(max(0.0, started + number / _PER_S - time.monotonic()))
            request = running.predict(task=next(tasks))
            pending.append(threads.submit(send_once, request, 30.0))
        return [each.result() for each in pending]


@contextmanager
def _celery(running: Service, process: str, *options: str) -> Iterator[None]:
    log = Path(running.environment["LSML_DATA_DIR"]) / f"{process}.log"
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config", process, *options],
            cwd=ROOT,
            env=running.environment | {"LSML_PROCESS": process},
            stdout=file,
            stderr=file,
        )
    try:
        yield
    finally:
        started.terminate()
        started.wait(30)


if __name__ == "__main__":
    main()
