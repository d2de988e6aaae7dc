"""What kill -9 of the model process costs."""

import math
import os
import signal
import statistics
import time
from collections import Counter

from benchmarks.load import Answer, in_background, keep_sending
from benchmarks.placement.measuring import CONSTANT, Measuring, Row
from benchmarks.service import children_of

_EVERY_S = 5.0


def kill(measuring: Measuring) -> list[Row]:
    """kill -9 of the model process's worker under load."""
    kills = 2 if measuring.quick else 6
    killed_at = []
    with measuring.service(CONSTANT) as running:
        assert running.model is not None
        request = running.predict(project=5)
        load = (request, 8, kills * _EVERY_S + 4, 0.1)
        with in_background(keep_sending, *load) as result:
            time.sleep(2)
            for _ in range(kills):
                (worker,) = children_of(running.model.pid)
                killed_at.append(time.monotonic())
                os.kill(worker, signal.SIGKILL)
                time.sleep(_EVERY_S)
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
            default=math.inf,
        )
        for moment in killed_at
    ]
    without_row = _without_row([a.request_id for a in answers if a.status == 200])
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
