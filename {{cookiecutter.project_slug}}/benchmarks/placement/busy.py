"""Whether webhooks and health checks are answered while a model is busy."""

import json
import math
import time
from collections.abc import Iterator

from benchmarks.load import (
    Answer,
    Request,
    in_background,
    keep_sending,
    median_ms,
    percentile_ms,
    send_evenly,
)
from benchmarks.placement.measuring import Measuring, Row
from benchmarks.service import HEADERS, Service

CLIENTS = 64
TIMEOUT_S = 1.0  # after which Label Studio drops a webhook
# What a client does after a 503, and its pause in seconds; None = as Retry-After says.
MANNERS: dict[str, float | None] = {"wait as told": None, "ask again at once": 0.0}
P99_MS_MAX = {("process", "Sleeping"): 100, ("process", "Burning"): 100}
P99_MS_MAX[("web", "Burning")] = 400


def busy(measuring: Measuring) -> Iterator[Row]:
    """64 clients predict with a model of 2 s: webhooks and health checks meanwhile."""
    for model in ("Sleeping", "Burning"):
        for manners, pause_s in MANNERS.items():
            for placement in ("web", "process"):
                with measuring.service(
                    f"tests.models.serving.{model}", placement
                ) as running:
                    label = f"{model.lower()} 2 s, {placement}, clients {manners}"
                    yield from _busy_rows(
                        running, measuring, label, pause_s, (placement, model)
                    )


def _busy_rows(
    running: Service,
    measuring: Measuring,
    label: str,
    pause_s: float | None,
    case: tuple[str, str],
) -> list[Row]:
    count, seconds = (30, 12.0) if measuring.quick else (120, 40.0)
    warm_up_s = 3.0
    request = running.predict()
    load = (request, CLIENTS, seconds + warm_up_s + 2, pause_s)
    with in_background(keep_sending, *load) as load_result:
        time.sleep(warm_up_s)
        probing = (_probes(running), count, seconds, TIMEOUT_S)
        with in_background(send_evenly, *probing) as result:
            probes: dict[str, list[Answer]] = result()
        predictions: list[Answer] = load_result()
    return [
        _probe_row(label, probes, P99_MS_MAX.get(case)),
        _load_row(label, predictions),
    ]


def _probes(running: Service) -> dict[str, Request]:
    event = {
        "action": "ANNOTATION_CREATED",
        "project": {"id": 1, "created_at": "2026-11-23T11:39:00Z"},
        "task": {"id": 1, "data": {"text": "hm"}},
        "annotation": {"id": 1, "task": 1, "result": []},
    }
    return {
        "webhooks": Request(
            running.port, "/webhook", json.dumps(event).encode(), HEADERS
        ),
        "health checks": Request(running.port, "/health", None, HEADERS),
        "/live": Request(running.port, "/live"),
    }


def _probe_row(label: str, probes: dict[str, list[Answer]], bar: int | None) -> Row:
    in_time = {
        name: sum(each.status == 200 and each.took_s <= TIMEOUT_S for each in answers)
        for name, answers in probes.items()
    }
    count = len(next(iter(probes.values())))
    p99 = {name: percentile_ms(answers, 99) for name, answers in probes.items()}
    shown = ", ".join(
        f"{name} {in_time[name]} of {count}"
        f" (p50 {median_ms(answers):.0f}, p99 {p99[name]:.0f} ms)"
        for name, answers in probes.items()
    )
    holds = all(number == count for number in in_time.values())
    return Row(
        label,
        f"all within 1 s, p99 < {bar} ms" if bar else "all within 1 s",
        shown,
        holds and max(p99.values()) < (bar or math.inf),
    )


def _load_row(label: str, predictions: list[Answer]) -> Row:
    by_status: dict[int, list[Answer]] = {}
    for each in predictions:
        by_status.setdefault(each.status, []).append(each)
    refused = by_status.get(503, [])
    # Those that waited for a place until PREDICT_WAIT_S, and those refused at once.
    at_once = [each for each in refused if each.took_s < 10]
    others = {s: len(a) for s, a in by_status.items() if s not in {200, 503}}
    return Row(
        f"– {label}: predictions",
        "",
        f"{len(by_status.get(200, []))} answered, {len(at_once)} × 503 at once"
        f" (p50 {median_ms(at_once):.0f}, p99 {percentile_ms(at_once, 99):.0f} ms),"
        f" {len(refused) - len(at_once)} × 503 after waiting, others {others}",
    )
