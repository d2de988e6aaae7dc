"""Compares what the service answered with its tables, lists and exports."""

import csv
import io
import json
import subprocess
import sys
import urllib.request

from django.db.models import Count

from lsml.audit.models import Prediction, WebhookEvent
from tests.chaos.playground import ROOT

csv.field_size_limit(100_000_000)
_LISTS = ["predictions", "events", "audit-entries", "promotions", "versions", "runs"]
_LISTS += ["prediction-jobs", "audit-jobs", "seals"]


def check_books(bars, *, port, token, environment):
    """Return a line per check: whether it holds, and a sentence."""
    yield _predictions(bars)
    yield _events(bars)
    for name in _LISTS:
        yield _list(f"http://127.0.0.1:{port}/api/v1/{name}", token, name)
    for action in ("seal", "verify"):
        done = subprocess.run(
            [sys.executable, "manage.py", "audit", action],
            check=False,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        said = (done.stdout + done.stderr).strip().splitlines()
        yield done.returncode == 0, f"audit {action}: {said[-1] if said else ''}"


def _predictions(bars):
    rows = dict(Prediction.objects.values_list("request_id").annotate(Count("pk")))
    wrong = [
        request
        for request, results in bars.predicted.items()
        if rows.get(request, 0) != results
    ]
    return not wrong, (
        f"{len(bars.predicted)} answers of /predict, {sum(bars.predicted.values())}"
        f" predictions, {len(wrong)} without all of their rows {wrong[:3]}"
    )


def _events(bars):
    rows = dict(WebhookEvent.objects.values_list("pk", "request_id"))
    missing = [
        event for event, request in bars.accepted.items() if rows.get(event) != request
    ]
    return not missing, (
        f"{len(bars.accepted)} accepted events, {len(missing)} not recorded"
        f" {missing[:3]}"
    )


def _list(url, token, name):
    """Read a list page by page, and as CSV and JSON lines, oldest first."""
    paged, following = [], f"{url}?limit=1000&order=oldest"
    while following:
        page = json.loads(_get(following, token))
        paged += [row.get("id", row.get("number")) for row in page["results"]]
        following = page["next"]
    exported = _get(f"{url}?format=csv&order=oldest", token).decode()
    rows = [int(row[0]) for row in list(csv.reader(io.StringIO(exported)))[1:]]
    lines = _get(f"{url}?format=jsonl&order=oldest", token).splitlines()
    # Rows that were added while the list was read are at its end.
    same = rows[: len(paged)] == paged and len(lines) >= len(rows)
    return same, f"{name}: {len(paged)} rows in pages, {len(rows)} in the export"


def _get(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=300) as reply:
        return reply.read()
