"""The measuring process of one database, for benchmarks/audit_growth.py."""

import json
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - after the set-up
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from lsml.audit import sealing, verify  # noqa: E402
from lsml.audit.exports import Order, export  # noqa: E402
from lsml.audit.fields import SEQUENCE_BITS  # noqa: E402
from lsml.audit.models import Prediction  # noqa: E402
from lsml.audit.tables import PARTITIONED_TABLES  # noqa: E402

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)
PROJECT = "1.1795433940"
STEADY_S = 10
TIMES = 5  # requests of each page in a turn
EXPORTED_MAX = 1_000_000  # rows


def answer(line: str) -> dict[str, list[float]]:
    """Measure what the parent process requests: `pages`, `sealing` or `all`."""
    if line == "pages":
        return {name: _times_ms(do) for name, do in PAGES.items()}
    return {"sealing": _sealing, "all": _all}[line]()


def _times_ms(do) -> list[float]:
    took = []
    for _ in range(TIMES + 1):
        started = time.perf_counter()
        reply = do()
        took.append((time.perf_counter() - started) * 1000)
        assert reply.status_code < 300, (reply.status_code, reply.content[:500])
    return took[1:]  # the first one fills caches


def _requests():
    client = APIClient()
    predict = {
        "tasks": [{"id": 1, "data": {"text": "I love this product"}}],
        "project": PROJECT,
        "label_config": CONFIG,
        "params": {"context": None},
    }
    event = {
        "action": "ANNOTATION_CREATED",
        "project": {"id": 1, "created_at": "2026-11-23T12:59:00Z"},
        "task": {"id": 1, "data": {"text": "I love this product"}},
        "annotation": {"id": 1, "result": [], "updated_at": "2026-11-23T13:00:00Z"},
    }
    return {
        "predict_ms": lambda: client.post("/predict", predict, format="json"),
        "webhook_ms": lambda: client.post("/webhook", event, format="json"),
    }


def _pages():
    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_superuser": True, "is_staff": True}
    )
    page, rest = Client(), APIClient()
    page.force_login(user)
    rest.force_authenticate(user)
    rows = Prediction.objects.filter(request_id__startswith="seed-")
    last, first = rows.order_by("-pk").first(), rows.order_by("pk").first()
    middle = (last.pk + first.pk) // 2
    old = moment(first.pk) + timedelta(hours=1)
    admin, api = "/admin/audit/prediction/", "/api/v1/predictions"
    some = f"project_pk={last.project_pk}"
    day = f"since={iso(old)}&until={iso(old + timedelta(days=1))}"
    return {
        "list_ms": lambda: page.get(admin),
        "list_deep_ms": lambda: page.get(f"{admin}?before={middle}"),
        "search_task_ms": lambda: page.get(f"{admin}?q={last.task_id}"),
        "detail_ms": lambda: page.get(f"{admin}{first.pk}/change/"),
        "home_ms": lambda: page.get("/admin/"),
        "api_version_ms": lambda: rest.get(f"{api}?{some}&model_version=v8"),
        "api_old_version_ms": lambda: rest.get(f"{api}?model_version=v1"),
        "api_request_ms": lambda: rest.get(f"{api}?request_id={first.request_id}"),
        "api_error_ms": lambda: rest.get(f"{api}?outcome=error"),
        "api_time_ms": lambda: rest.get(f"{api}?{day}&order=oldest"),
    }


def moment(row_id: int) -> datetime:
    return datetime.fromtimestamp((row_id >> SEQUENCE_BITS) / 1000, UTC)


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sealing() -> dict[str, list[float]]:
    """Write 200 rows a second for ten seconds, with a sealing pass each second."""
    stop = threading.Event()

    def write() -> None:
        row = Prediction.objects.order_by("-pk").first()
        facts = {
            field.attname: getattr(row, field.attname)
            for field in Prediction._meta.concrete_fields
            if field.attname not in {"id", "created_at"}
        }
        while not stop.wait(0.05):
            now = timezone.now()
            Prediction.objects.bulk_create(
                Prediction(created_at=now, **facts) for _ in range(10)
            )
        connection.close()

    sealing.seal()
    writer = threading.Thread(target=write)
    writer.start()
    took, lags = [], []
    until = time.monotonic() + STEADY_S
    while time.monotonic() < until:
        time.sleep(1)
        newest = Prediction.objects.order_by("-pk").values_list("pk", flat=True)[0]
        started = time.perf_counter()
        made = sealing.seal()
        took.append((time.perf_counter() - started) * 1000)
        # The first row that waited was written just after the pass before.
        oldest = min((seal.first_id for seal in made), default=newest)
        lags.append(timezone.now().timestamp() - moment(oldest).timestamp())
    stop.set()
    writer.join()
    return {"seal_lag_s": lags, "seal_pass_ms": took}


def _all() -> dict[str, list[float]]:
    """Measure what reads all rows, once per database."""
    figures = _verifying() | _exporting() | _size()
    return {name: [value] for name, value in figures.items()}


def _verifying() -> dict[str, float]:
    before, started = _cpu_s(), time.perf_counter()
    report = verify.verify()
    took, cpu = time.perf_counter() - started, _cpu_s() - before
    assert report.intact, report.findings[:3]
    return {"verify_per_s": report.rows / took, "verify_per_core_s": report.rows / cpu}


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of its local database session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / 100


def _exporting() -> dict[str, float]:
    first = Prediction.objects.order_by("pk").first()
    begin = moment(first.pk)
    span = timezone.now() - begin
    rows = verify.rows_to_verify()
    share = min(1.0, EXPORTED_MAX / rows)
    order = Order(begin, begin + span * share, tables=("audit_prediction",))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        manifest = export(order=order, path=Path(folder) / "export.zip")
        took = time.perf_counter() - started
    return {"export_per_s": manifest["tables"]["audit_prediction"]["rows"] / took}


def _size() -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%s)"
            " WHERE isleaf",
            [PARTITIONED_TABLES[0]],
        )
        size = cursor.fetchone()[0]
    # The empty partitions add about 100 kB, which counts with ten thousand rows.
    return {"bytes_per_row": float(size) / verify.rows_to_verify()}


PAGES = _requests() | _pages()

if __name__ == "__main__":
    for asked in sys.stdin:
        print(json.dumps(answer(asked.strip())), flush=True)
