"""How long a prediction waits for others before it is refused."""

import threading
import time
from contextlib import ExitStack

import pytest

from lsml.audit.models import Prediction
from lsml.inference import admission as module
from lsml.inference.admission import Admission
from lsml.inference.errors import ModelBusy

BATCH, INTERACTIVE = Prediction.Kind.BATCH, Prediction.Kind.INTERACTIVE


@pytest.fixture
def waits(monkeypatch):
    """The seconds that predictions waited at most, in order."""
    waited = []

    class Event(threading.Event):
        def wait(self, timeout=None):
            waited.append(timeout)
            return super().wait(0)

    monkeypatch.setattr(module.threading, "Event", Event)
    return waited


@pytest.fixture
def admission(settings):
    settings.WEB_PREDICT_THREADS = 4
    return Admission()


def refused(admission, kind=BATCH):
    with pytest.raises(ModelBusy), admission.admit(kind):
        pass


@pytest.mark.usefixtures("waits")
def test_batches_leave_a_quarter_to_interactive_requests(admission):
    with ExitStack() as running:
        for _ in range(3):
            running.enter_context(admission.admit(BATCH))
        refused(admission)
        running.enter_context(admission.admit(INTERACTIVE))
        refused(admission, INTERACTIVE)


def test_after_a_refusal_the_next_ones_wait_less_until_a_prediction_ends(
    admission, waits
):
    with ExitStack() as running:
        for _ in range(3):
            running.enter_context(admission.admit(BATCH))
        waits.clear()
        refused(admission)
        refused(admission)
        with admission.admit(INTERACTIVE):
            pass
        refused(admission)
    assert waits == [0.1, 0.02, 0.1]


def test_the_longest_waiting_prediction_is_next(admission, settings, monkeypatch):
    settings.WEB_PREDICT_THREADS = 1
    monkeypatch.setattr(module, "_WAIT_S", 30)
    order, threads = [], []

    def predict(name):
        with admission.admit(BATCH):
            order.append(name)

    with admission.admit(BATCH):
        for name in ("first", "second", "third"):
            threads.append(threading.Thread(target=predict, args=(name,)))
            threads[-1].start()
            while len(admission._waiting[BATCH]) < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "third"]


def test_jobs_are_always_admitted(admission):
    with ExitStack() as running:
        for _ in range(10):
            running.enter_context(admission.admit(Prediction.Kind.BULK))
