"""The queue of a model: places, urgency, batches, bounds. No database."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.audit.models import Prediction
from lsml.inference.calls import KINDS_BY_URGENCY, Answer, Call
from lsml.inference.errors import ModelBusy, ModelError
from lsml.inference.hosting.queue import PredictQueue
from lsml.observability.origin import Origin

ORIGIN = Origin("test-request", "test")
BATCH, INTERACTIVE, BULK = (
    Prediction.Kind.BATCH,
    Prediction.Kind.INTERACTIVE,
    Prediction.Kind.BULK,
)


def call(name, kind=BATCH, *, tasks=1, **more):
    return Call([{"id": name, "data": {}}] * tasks, kind, ORIGIN, **more)


class Playground:
    """Threads that call through one queue; the test decides when a call ends."""

    def __init__(self, *, places=1, batch_size=1):
        self.queue = PredictQueue(places=places, batch_size=batch_size)
        self.calls = []  # names of the tasks of each call, in order
        self.outcomes = {}
        self.may_end = threading.Semaphore(0)
        self.threads = []
        self.models = {}  # by name of the call; default: one for all

    def begin(self, request, wait_s=5.0):
        """Start a request, and return once it runs or waits."""
        before = sum(self.queue.waiting(self).values()) + len(self.calls)
        thread = threading.Thread(target=self._request, args=(request, wait_s))
        thread.start()
        self.threads.append(thread)
        until = time.monotonic() + 20
        while sum(self.queue.waiting(self).values()) + len(self.calls) == before:
            if not thread.is_alive() or time.monotonic() > until:
                break
            time.sleep(0.001)

    def end_all(self):
        """Let every call end, and wait for all requests."""
        for thread in self.threads:
            while thread.is_alive():
                self.may_end.release()
                thread.join(0.01)

    def _request(self, request, wait_s):
        name = request.tasks[0]["id"]
        try:
            with self.queue.turn(
                request,
                model=self.models.get(name, self),
                until=time.monotonic() + wait_s,
                on_timeout=lambda: None,
            ) as turn:
                if turn.batch:
                    self.calls.append([each.call.tasks[0]["id"] for each in turn.batch])
                    self.may_end.acquire()
                    for each in turn.batch:
                        each.settle(Answer([[]], 0.0, each.call.tasks[0]["id"]))
            self.outcomes[name] = turn.result().version
        except (ModelBusy, ModelError) as error:
            self.outcomes[name] = type(error)


@pytest.fixture
def playground():
    made = []

    def make(**options):
        made.append(Playground(**options))
        return made[-1]

    yield make
    for each in made:
        each.end_all()


def test_a_version_in_shadow_comes_last_where_models_share_a_queue(playground):
    play = playground()
    play.begin(call("runs", Prediction.Kind.SHADOW))
    play.begin(call("shadow", Prediction.Kind.SHADOW))
    play.begin(call("bulk", BULK))
    play.begin(call("batch"))
    play.begin(call("click", INTERACTIVE, context={}))
    play.end_all()
    assert play.calls == [["runs"], ["click"], ["batch"], ["bulk"], ["shadow"]]


def test_embedding_comes_after_predictions_of_any_kind(playground):
    play = playground()
    play.begin(call("runs"))
    play.begin(call("embedding", BULK, embeds=True))
    play.begin(call("batch"))
    play.begin(call("click", INTERACTIVE, context={}))
    play.end_all()
    assert play.calls == [["runs"], ["click"], ["batch"], ["embedding"]]


@pytest.mark.parametrize("first", [True, False])
def test_tasks_to_embed_and_tasks_to_predict_never_share_a_call(playground, first):
    play = playground(batch_size=16)
    play.begin(call("runs"))
    play.begin(call("one", BULK, embeds=first))
    play.begin(call("other", BULK, embeds=not first))
    play.end_all()
    assert play.calls == [["runs"], ["one"], ["other"]]


def test_an_idle_model_is_called_at_once(playground):
    ground = playground()
    ground.begin(call("a"))
    assert ground.calls == [["a"]]


def test_as_many_calls_run_at_once_as_there_are_places(playground):
    ground = playground(places=2)
    for name in "abc":
        ground.begin(call(name))
    assert ground.calls == [["a"], ["b"]]
    assert ground.queue.waiting(ground)["batch"] == 1


def test_the_most_urgent_goes_first(playground):
    ground = playground()
    ground.begin(call("running"))
    ground.begin(call("bulk", BULK))
    ground.begin(call("batch"))
    ground.begin(call("click", INTERACTIVE, context={}))
    ground.end_all()
    assert ground.calls == [["running"], ["click"], ["batch"], ["bulk"]]


def test_those_that_wait_share_a_call_up_to_the_batch_size(playground):
    ground = playground(batch_size=3)
    for name in "abcdef":
        ground.begin(call(name))
    ground.end_all()
    assert ground.calls == [["a"], ["b", "c", "d"], ["e", "f"]]
    assert ground.outcomes == {name: name for name in "abcdef"}


@pytest.mark.parametrize(
    "other",
    [
        call("other", INTERACTIVE, context={"result": []}),
        call("other", params={"threshold": 1}),
        call("other", params={"threshold": True}),
        call("other", tasks=3),
    ],
)
def test_calls_that_differ_are_not_merged(playground, other):
    ground = playground(batch_size=3)
    for each in (call("running"), call("a"), other, call("b")):
        ground.begin(each)
    ground.end_all()
    assert ["other"] in ground.calls
    assert ["a", "b"] in ground.calls


def test_models_that_share_weights_share_places_but_no_calls(playground):
    ground = playground(batch_size=3)
    ground.models = {"other": "other"}
    for name in ("running", "a"):
        ground.begin(call(name))
    ground.begin(call("b"))
    other = threading.Thread(target=ground._request, args=(call("other"), 5.0))
    other.start()
    while not ground.queue.waiting("other")["batch"]:
        time.sleep(0.001)
    ground.threads.append(other)
    assert ground.calls == [["running"]]
    ground.end_all()
    assert ground.calls == [["running"], ["a", "b"], ["other"]]


def test_a_full_queue_refuses_at_once_and_only_its_own_kind(playground, settings):
    settings.PREDICT_QUEUE_MAX = 1
    ground = playground()
    for each in (call("running"), call("waits"), call("refused")):
        ground.begin(each)
    ground.begin(call("click", INTERACTIVE))
    ground.end_all()
    assert ground.outcomes["refused"] is ModelBusy
    assert ground.outcomes["click"] == "click"


def test_who_would_wait_too_long_is_refused_at_once(playground):
    ground = playground()
    ground.queue._call_s = 2.0
    ground.begin(call("running"))
    for name in "abc":
        ground.begin(call(name))
    ground.begin(call("d"))  # behind three calls of 2 s, and waits 5 s at most
    ground.threads[-1].join()
    assert ground.outcomes == {"d": ModelBusy}
    ground.begin(call("click", INTERACTIVE))  # goes first
    ground.end_all()
    assert ground.outcomes["click"] == "click"


def test_who_waited_too_long_is_refused_and_not_called_later(playground):
    ground = playground()
    ground.begin(call("running"))
    ground.begin(call("late"), wait_s=0.05)
    ground.threads[-1].join()
    ground.end_all()
    assert ground.outcomes["late"] is ModelBusy
    assert ground.calls == [["running"]]


def test_a_batch_that_nobody_answered_is_an_error_and_frees_its_place():
    queue = PredictQueue(places=1, batch_size=1)
    until = time.monotonic() + 20
    options = {"model": "model", "until": until, "on_timeout": lambda: None}
    with queue.turn(call("lost"), **options) as lost:
        pass
    with pytest.raises(ModelError):
        lost.result()
    with queue.turn(call("next"), **options) as following:
        assert following.batch == [following]


@given(
    kinds=st.lists(st.sampled_from(KINDS_BY_URGENCY), max_size=12),
    places=st.integers(1, 3),
    batch_size=st.integers(1, 4),
)
def test_every_call_is_answered_once_with_its_own_answer(kinds, places, batch_size):
    ground = Playground(places=places, batch_size=batch_size)
    for number, kind in enumerate(kinds):
        ground.begin(call(number, kind))
    ground.end_all()
    assert ground.outcomes == {number: number for number in range(len(kinds))}
    called = [name for batch in ground.calls for name in batch]
    assert sorted(called) == list(range(len(kinds)))
    assert all(len(batch) <= batch_size for batch in ground.calls)
    assert ground.queue.running(ground) == 0
