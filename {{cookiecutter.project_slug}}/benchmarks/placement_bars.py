"""The bars of benchmarks/placements.py, but for `busy`: each returns rows of the table."""

import os
import signal
import statistics
import time
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.load import (
    Answer,
    Request,
    in_background,
    keep_sending,
    median_ms,
    percentile_ms,
    run_load,
    send,
)
from benchmarks.service import CREATED, Service, children_of, proportional_mb, service
from tests.models.placements import SHARED_MB

CONSTANT = "tests.models.constant.ConstantModel"
CLICK = {"result": [{"id": "click", "from_name": "sentiment", "to_name": "text"}]}
_WEB_WORKERS = 4  # of the memory bar


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


def memory(measuring: Measuring) -> list[Row]:
    """Ten projects share 500 MB: what the whole service keeps in memory."""
    used_mb = {}
    for model, placement in (
        ("Empty", "process"),
        ("Large", "process"),
        ("Empty", "web"),
        ("Large", "web"),
    ):
        workers = str(_WEB_WORKERS)
        with measuring.service(model, placement, WEB_WORKERS=workers) as running:
            for project in range(1, 11):
                # On many connections, so that every web process gets some.
                request = running.predict(project=project)
                with in_background(keep_sending, request, 16, 1.5) as answers:
                    assert {each.status for each in answers()} <= {200, 503}
            used_mb[model, placement] = proportional_mb(running.pids())
    return [_memory_row(used_mb, "process", bar=1.3), _memory_row(used_mb, "web")]


def _memory_row(
    used_mb: dict[tuple[str, str], float], placement: str, bar: float | None = None
) -> Row:
    large, empty = used_mb["Large", placement], used_mb["Empty", placement]
    copies = (large - empty) / SHARED_MB
    return Row(
        f"500 MB model, 10 projects, {_WEB_WORKERS} web processes ({placement})",
        f"≤ {bar} copies above the empty model" if bar else "",
        f"{copies:.2f} copies ({large:.0f} MB, empty model {empty:.0f} MB)",
        copies <= bar if bar else None,
    )


def batching(measuring: Measuring) -> list[Row]:
    """16 clients of a model that takes 20 ms a call, and one of a quick model."""
    return [_batching_rate(measuring), _latency_alone(measuring)]


def _batching_rate(measuring: Measuring) -> Row:
    rates: dict[str, list[float]] = {"Fixed": [], "FixedInBatches": []}
    busy = 0
    with ExitStack() as stack:
        services = {
            # 16 clients may all be connected to one web process.
            model: stack.enter_context(
                measuring.service(model, WEB_PREDICT_THREADS="32")
            )
            for model in rates
        }
        for _ in range(2 if measuring.quick else 5):
            for model, running in services.items():
                seconds = 2 if measuring.quick else 6
                answers = _answers(running.predict(), clients=16, seconds=seconds)
                good = [each for each in answers if each.status == 200]
                busy += len(answers) - len(good)
                rates[model].append(len(good) / seconds)
    single, batched = (statistics.median(each) for each in rates.values())
    return Row(
        "20 ms a call, 16 clients: batch_size 16 against 1",
        "≥ 6 × the rate",
        f"{batched / single:.1f} × ({batched:.0f}/s against {single:.0f}/s,"
        f" {busy} not 200)",
        batched / single >= 6,
    )


def _latency_alone(measuring: Measuring) -> Row:
    medians: dict[str, list[float]] = {"web": [], "process": []}
    with ExitStack() as stack:
        services = {
            placement: stack.enter_context(measuring.service(CONSTANT, placement))
            for placement in medians
        }
        for running in services.values():  # both web processes load their model
            _answers(running.predict(), clients=8, seconds=1)
        for _ in range(3 if measuring.quick else 9):
            for placement, running in services.items():
                answers = _answers(running.predict(), clients=1, seconds=2)
                medians[placement].append(median_ms(answers))
    web, process = (statistics.median(each) for each in medians.values())
    return Row(
        "one client alone, constant model: median of process against web",
        "≤ +2 ms",
        f"{process - web:+.2f} ms ({process:.2f} ms against {web:.2f} ms)",
        process - web <= 2,
    )


def interactive(measuring: Measuring) -> list[Row]:
    """Interactive predictions alone, and while a project is predicted in bulk."""
    alone, during = [], []
    project = 4
    with measuring.service("Fixed") as running:
        click = running.predict(project=project, context=CLICK)
        _answers(click, clients=4, seconds=1)
        _add_tasks(project, 1_000 if measuring.quick else 10_000)
        for _ in range(1 if measuring.quick else 3):
            until = time.monotonic() + 10
            alone.append(percentile_ms(_click_until(click, _at(until)), 99))
            bulk = running.start_command("predict", "--project", str(project))
            _wait_for_first_step(project)
            answers = _click_until(click, lambda: bulk.poll() is not None)
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


def _add_tasks(project: int, count: int) -> None:
    from django.utils import timezone

    from lsml.dataset.models import Task
    from lsml.registry.models import Project

    stored = Project.objects.get(labelstudio_id=project)
    now = timezone.now()
    Task.objects.bulk_create(
        Task(project=stored, task_id=number, data={"text": "hm"}, updated_at=now)
        for number in range(1, count + 1)
    )


def _wait_for_first_step(project: int) -> None:
    from lsml.inference.models import PredictionJob

    until = time.monotonic() + 30
    while time.monotonic() < until:
        job = PredictionJob.objects.filter(project__labelstudio_id=project).latest("pk")
        if job.done and job.state in PredictionJob.ACTIVE:
            return
        time.sleep(0.1)
    raise SystemExit("the bulk prediction does not start")


def _click_until(request: Request, is_over) -> list[Answer]:
    connection = HTTPConnection("127.0.0.1", request.port, timeout=100)
    answers = []
    while not is_over():
        answers.append(send(request, connection))
        assert answers[-1].status == 200, answers[-1]
    connection.close()
    return answers


def _at(until: float):
    return lambda: time.monotonic() >= until


def kill(measuring: Measuring) -> list[Row]:
    """kill -9 of the model process's worker under load."""
    kills = 2 if measuring.quick else 6
    every_s = 5.0
    killed_at = []
    with measuring.service(CONSTANT) as running:
        assert running.model is not None
        request = running.predict(project=5)
        load = (request, 8, kills * every_s + 4, 0.1)
        with in_background(keep_sending, *load) as result:
            time.sleep(2)
            for _ in range(kills):
                (worker,) = children_of(running.model.pid)
                killed_at.append(time.monotonic())
                os.kill(worker, signal.SIGKILL)
                time.sleep(every_s)
            answers: list[Answer] = result()
    statuses = Counter(each.status for each in answers)
    # An answer that was under way does not show that the process is back.
    back_s = [
        min(
            (
                each.sent_at + each.took_s - moment
                for each in answers
                if each.status == 200 and each.sent_at > moment + 0.05
            ),
            default=float("inf"),
        )
        for moment in killed_at
    ]
    without_row = _without_row([e.request_id for e in answers if e.status == 200])
    others = sum(n for status, n in statuses.items() if status not in {200, 503})
    shown = f"{kills} kills, answers by status: {dict(sorted(statuses.items()))}"
    return [
        Row(
            "kill -9: answers 2xx without a row", "0", str(without_row), not without_row
        ),
        Row("kill -9: statuses", "only 200 and 503", shown, not others),
        Row(
            "kill -9: first 2xx after it",
            "≤ 3 s",
            f"{statistics.median(back_s):.2f} s, longest {max(back_s):.2f} s",
            max(back_s) <= 3,
        ),
    ]


def _without_row(request_ids: list[str]) -> int:
    from lsml.audit.models import Prediction

    recorded = set(
        Prediction.objects.filter(
            project_pk__isnull=False, request_id__in=request_ids
        ).values_list("request_id", flat=True)
    )
    return len(set(request_ids) - recorded)


def clicks(measuring: Measuring) -> list[Row]:
    """Clicks on one image, whose embedding takes 1 s."""
    first, second, prefetched = [], [], []
    with measuring.service("Clicked") as running:
        for task in range(1, 4 if measuring.quick else 8):
            first.append(_click_ms(running, task))
            second.append(_click_ms(running, task))
            opened = 1000 + task
            _click_ms(running, opened, context=None)
            time.sleep(1.5)  # the annotator looks at the image
            prefetched.append(_click_ms(running, opened))
    one, two, three = (statistics.median(e) for e in (first, second, prefetched))
    return [
        Row(
            "embedding of 1 s: second click on a task",
            "≤ 15 % of the first",
            f"{two / one:.1%} ({two:.0f} ms of {one:.0f} ms)",
            two <= 0.15 * one,
        ),
        Row(
            "embedding of 1 s: first click 1.5 s after the task was opened",
            "",
            f"{three / one:.1%} ({three:.0f} ms)",
        ),
    ]


def _click_ms(running: Service, task: int, context=CLICK) -> float:  # noqa: B006 - read
    request = running.predict(project=6, task=task, context=context)
    connection = HTTPConnection("127.0.0.1", request.port, timeout=100)
    answer = send(request, connection)
    connection.close()
    assert answer.status == 200, answer
    return answer.took_s * 1000


def _answers(request: Request, *, clients: int, seconds: float) -> list[Answer]:
    with in_background(keep_sending, request, clients, seconds) as result:
        answers: list[Answer] = result()
    return answers
