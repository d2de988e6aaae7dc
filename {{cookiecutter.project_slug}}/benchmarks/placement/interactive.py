"""Whether an annotator's clicks are answered soon during a bulk prediction."""

import statistics
import time
from collections.abc import Callable
from http.client import HTTPConnection

from benchmarks.load import Answer, Request, percentile_ms, send
from benchmarks.placement.measuring import CLICK, Measuring, Row, answers_of

_PROJECT = 4


def interactive(measuring: Measuring) -> list[Row]:
    """Interactive predictions alone, and while a project is predicted in bulk."""
    alone, during = [], []
    with measuring.service("Fixed") as running:
        click = running.predict(project=_PROJECT, context=CLICK)
        answers_of(click, clients=4, seconds=1)
        _add_tasks(1_000 if measuring.quick else 10_000)
        for _ in range(1 if measuring.quick else 3):
            answers = _click_while(_before(time.monotonic() + 10), click)
            alone.append(percentile_ms(answers, 99))
            bulk = running.start_command("predict", "--project", str(_PROJECT))
            _wait_for_first_step()
            answers = _click_while(_runs(bulk), click)
            assert bulk.wait() == 0, "the bulk prediction failed"
            during.append(percentile_ms(answers, 99))
            clicks = len(answers)
    p99_alone, p99_during = statistics.median(alone), statistics.median(during)
    return [
        Row(
            "20 ms a call: interactive p99 during a bulk prediction",
            "≤ 2 × alone",
            f"{p99_during / p99_alone:.2f} × ({p99_during:.0f} ms against"
            f" {p99_alone:.0f} ms; {clicks} clicks during the last)",
            p99_during <= 2 * p99_alone,
        )
    ]


def _add_tasks(count: int) -> None:
    from django.utils import timezone

    from lsml.dataset.models import Task
    from lsml.registry.models import Project

    stored = Project.objects.get(labelstudio_id=_PROJECT)
    now = timezone.now()
    Task.objects.bulk_create(
        Task(project=stored, task_id=number, data={"text": "hm"}, updated_at=now)
        for number in range(1, count + 1)
    )


def _wait_for_first_step() -> None:
    from lsml.inference.models import PredictionJob

    until = time.monotonic() + 30
    while time.monotonic() < until:
        jobs = PredictionJob.objects.filter(project__labelstudio_id=_PROJECT)
        job = jobs.order_by("pk").last()
        if job and job.done and job.state in PredictionJob.ACTIVE:
            return
        time.sleep(0.1)
    raise SystemExit("the bulk prediction does not start")


def _click_while(goes_on: Callable[[], bool], request: Request) -> list[Answer]:
    connection = HTTPConnection("127.0.0.1", request.port, timeout=100)
    answers = []
    while goes_on():
        answers.append(send(request, connection))
        assert answers[-1].status == 200, answers[-1]
    connection.close()
    return answers


def _before(until: float) -> Callable[[], bool]:
    return lambda: time.monotonic() < until


def _runs(process) -> Callable[[], bool]:
    return lambda: process.poll() is None
