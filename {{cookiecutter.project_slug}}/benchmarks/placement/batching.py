"""What batches of concurrent requests gain, and what the model process costs."""

import statistics
from contextlib import ExitStack

from benchmarks.load import median_ms, per_second
from benchmarks.placement.measuring import CONSTANT, Measuring, Row, answers_of


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
                answers = answers_of(running.predict(), clients=16, seconds=seconds)
                good = [each for each in answers if each.status == 200]
                busy += len(answers) - len(good)
                rates[model].append(per_second(good))
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
            answers_of(running.predict(), clients=8, seconds=1)
        for _ in range(3 if measuring.quick else 9):
            for placement, running in services.items():
                answers = answers_of(running.predict(), clients=1, seconds=2)
                medians[placement].append(median_ms(answers))
    web, process = (statistics.median(each) for each in medians.values())
    return Row(
        "one client alone, constant model: median of process against web",
        "≤ +2 ms",
        f"{process - web:+.2f} ms ({process:.2f} ms against {web:.2f} ms)",
        process - web <= 2,
    )
