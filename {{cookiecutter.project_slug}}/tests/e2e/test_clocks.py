"""Workers and beat whose clocks are wrong."""

import signal
from pathlib import Path

import pytest

from tests.chaos.playground import Playground

pytestmark = pytest.mark.slow

_FAST_CLOCK = str(Path(__file__).parent / "fast_clock")
_WORKERS = ("default", "training-1", "training-2")


def test_workers_whose_clock_is_ahead_train_and_warn(start_service, monkeypatch):
    monkeypatch.setattr("tests.e2e.conftest.Playground", _ahead)
    service = start_service(TRAINING_SWEEP_S="1")
    service.until_trained(service.annotate(1))
    for name in _WORKERS:
        log = service.playground.programs[name].log.read_text()
        assert "This host's clock is 90 s ahead of PostgreSQL's." in log


def test_beat_sends_again_after_its_clock_was_ahead_and_is_right(start_service):
    service = start_service(AUDIT_SEAL_S="1")
    _restart_beat(service, PYTHONPATH=_FAST_CLOCK, CLOCK_AHEAD_S="3600")
    _until_sealed(service, times=3)  # the first may be by an earlier message
    _restart_beat(service, PYTHONPATH="")
    _until_sealed(service, times=3)


def _until_sealed(service, *, times):
    for _ in range(times):
        event = service.annotate(1)
        service.until(
            "SELECT 1 FROM audit_seal WHERE sealed_table = 'audit_webhookevent'"
            " AND last_id >= %s",
            event,
        )


def _restart_beat(service, **environment):
    for name in ("beat-1", "beat-2"):
        beat = service.playground.programs[name]
        beat.environment |= environment
        ended = beat.process
        beat.send(signal.SIGTERM)
        ended.wait(20)


def _ahead(*args, **options):
    playground = Playground(*args, **options)
    for name in _WORKERS:
        playground.programs[name].environment |= {
            "PYTHONPATH": _FAST_CLOCK,
            "CLOCK_AHEAD_S": "90",
        }
    return playground
