"""What the cache per task and prefetching give to clicks on one image."""

import statistics
import time

from benchmarks.load import send_once
from benchmarks.placement.measuring import CLICK, Measuring, Row
from benchmarks.service import Service


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


def _click_ms(running: Service, task: int, context=CLICK) -> float:
    request = running.predict(project=6, task=task, context=context)
    answer = send_once(request, 100)
    assert answer.status == 200, answer
    return answer.took_s * 1000
