"""Training by workers whose clocks are wrong."""

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


def _ahead(*args, **options):
    playground = Playground(*args, **options)
    for name in _WORKERS:
        playground.programs[name].environment |= {
            "PYTHONPATH": _FAST_CLOCK,
            "CLOCK_AHEAD_S": "90",
        }
    return playground
