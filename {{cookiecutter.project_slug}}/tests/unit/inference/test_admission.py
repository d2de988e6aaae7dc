"""How long a prediction waits for others before it is refused."""

from contextlib import ExitStack

import pytest

from lsml.audit.models import Prediction
from lsml.inference import admission as module
from lsml.inference.admission import Admission
from lsml.inference.errors import ModelBusy

BATCH, INTERACTIVE = Prediction.Kind.BATCH, Prediction.Kind.INTERACTIVE


@pytest.fixture
def waits(monkeypatch):
    """The seconds that predictions waited, in order."""
    monkeypatch.setattr(module, "_WAIT_S", 0.002)
    monkeypatch.setattr(module, "_WAIT_AGAIN_S", 0.001)
    return []


@pytest.fixture
def admission(settings, waits, monkeypatch):
    settings.WEB_PREDICT_THREADS = 4
    admission = Admission()
    wait_for = admission._ended.wait_for

    def recorded(predicate, timeout):
        waits.append(timeout)
        return wait_for(predicate, timeout)

    monkeypatch.setattr(admission._ended, "wait_for", recorded)
    return admission


def refused(admission, kind=BATCH):
    with pytest.raises(ModelBusy), admission.admit(kind):
        pass


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
    assert waits == [0.002, 0.001, 0.001, 0.002]


def test_jobs_are_always_admitted(admission):
    with ExitStack() as running:
        for _ in range(10):
            running.enter_context(admission.admit(Prediction.Kind.BULK))
