"""What a running service tells about itself: metrics, also of killed workers; logs."""

import re
import signal
import time

import pytest

from tests.prometheus import named_in
from tests.unit.test_prometheus_files import PANELS, RULES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SETTLED_S, IDLE_S = 10, 30
LINES_MAX = 5


def samples(service):
    lines = service.text("/metrics").splitlines()
    return {
        name: float(value)
        for name, value in (
            line.rsplit(" ", 1) for line in lines if not line.startswith("#")
        )
    }


def predict(service):
    task = {"id": 1, "data": {"text": "hm"}}
    body = {"tasks": [task], "project": "1.1795433940", "params": {}}
    return service.call("POST", "/predict", body)


def test_a_service_exports_every_metric_that_rules_and_dashboard_name(
    start_service, tmp_path
):
    service = start_service(
        MODEL_PLACEMENT="process",
        BACKGROUND_MODEL_URL=f"unix://{tmp_path}/background.sock",
    )
    service.until_trained(service.annotate(1))
    deadline = time.monotonic() + 60
    while predict(service)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    found = {name.partition("{")[0] for name in samples(service)}
    expressions = [rule["expr"] for rule in RULES.values()]
    for panel in PANELS.values():
        expressions += [target["expr"] for target in panel["targets"]]
    named = set().union(*(named_in(each)[0] for each in expressions))
    # These need annotations of predicted tasks.
    assert named - found <= {"lsml_live_agreement", "lsml_held_out_score"}


def test_right_after_a_worker_was_killed_web_tells_of_its_run(start_service):
    service = start_service(CHAOS_TRAINING_S="300", CHAOS_STEPS="10")
    service.annotate(1)
    service.until(
        "SELECT 1 FROM training_trainingrun WHERE state = 'running'"
        " AND message LIKE 'step%%'"
    )
    for name, program in service.playground.programs.items():
        if name.startswith("training"):
            program.send(signal.SIGKILL)
    assert samples(service)['lsml_jobs{kind="training",state="running"}'] == 1
    time.sleep(6)  # no worker renews the lease; it ends after 12 s
    assert samples(service)['lsml_job_lease_age_seconds{kind="training"}'] > 5


def test_idle_workers_and_beat_write_at_most_five_lines_a_minute(start_service):
    service = start_service()
    service.until_trained(service.annotate(1))

    def lines():
        return {
            name: program.log.read_text().splitlines()
            for name, program in service.playground.programs.items()
        }

    time.sleep(SETTLED_S)
    before = lines()
    time.sleep(IDLE_S)
    written = {name: now[len(before[name]) :] for name, now in lines().items()}
    assert sum(map(len, written.values())) * 60 / IDLE_S <= LINES_MAX, written
    assert any(re.search("ready", line) for line in before["default"])
