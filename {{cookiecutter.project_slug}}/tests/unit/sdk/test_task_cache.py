"""`self.task_cache`: values per task, within one limit for the process."""

import copy
import gc
import pickle
import sys
import threading
import time
from array import array
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml import task_cache
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.task_cache import (
    ENTRY_BYTES,
    ProcessCache,
    TaskCache,
    size_of,
    task_cache_figures,
)


@dataclass
class Sized:
    """A value of a given size, as an array or tensor has one."""

    nbytes: int


def of_size(size):
    """Return a value that takes `size` bytes of the cache, with its entry."""
    return Sized(size - ENTRY_BYTES)


@pytest.fixture
def memory():
    return ProcessCache(max_bytes=4000)


def run_at_once(number, work):
    start = threading.Barrier(number)

    def run():
        start.wait()
        work()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)


def test_a_value_is_found_by_its_key_until_it_is_discarded(memory):
    cache = TaskCache(memory)
    cache[5] = None
    cache["page", 2] = "text"
    assert (5 in cache, 6 in cache) == (True, False)
    assert cache.get("missing", "default") == "default"
    assert cache.get(5, "default") is None
    assert cache.get(("page", 2)) == "text"
    cache.discard(5)
    cache.discard(5)
    assert 5 not in cache


def test_a_later_value_replaces_the_previous_one_and_its_size(memory):
    cache = TaskCache(memory)
    cache[1] = of_size(3000)
    cache[1] = latest = of_size(2000)
    assert cache.get(1) is latest
    assert (memory.figures().total_bytes, memory.figures().entries) == (2000, 1)


def test_the_least_recently_used_value_leaves_first(memory):
    cache = TaskCache(memory)
    for key in "abcd":
        cache[key] = of_size(1000)
    cache.get("a")
    cache.get_or_compute("b", lambda: pytest.fail("b is in the cache"))
    cache["e"] = of_size(1000)
    cache["f"] = of_size(1000)
    assert [key for key in "abcdef" if key in cache] == ["a", "b", "e", "f"]


def test_asking_whether_a_key_is_there_is_not_a_use(memory):
    cache = TaskCache(memory)
    for key in "abcd":
        cache[key] = of_size(1000)
    assert "a" in cache
    cache["e"] = of_size(1000)
    assert "a" not in cache


def test_a_value_larger_than_the_whole_cache_is_not_kept(memory):
    cache = TaskCache(memory)
    cache["small"] = of_size(1000)
    cache["large"] = of_size(1000)
    cache["large"] = of_size(4001)
    assert ("small" in cache, "large" in cache) == (True, False)
    cache["full"] = of_size(4000)
    assert ("small" in cache, "full" in cache) == (False, True)


KEYS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 5000)),
        st.tuples(st.just("get"), KEYS, st.none()),
        st.tuples(st.just("discard"), KEYS, st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_limit_holds_and_the_least_recently_used_leave_whatever_is_put(steps):
    memory = ProcessCache(max_bytes=4000)
    cache = TaskCache(memory)
    expected = {}  # key to size, the least recently used first
    for step, key, size in steps:
        if step == "put":
            cache[key] = Sized(size)
            expected.pop(key, None)
            if size + ENTRY_BYTES <= 4000:
                expected[key] = size + ENTRY_BYTES
                while sum(expected.values()) > 4000:
                    del expected[next(iter(expected))]
        elif step == "get":
            found = cache.get(key)
            assert (found is not None) == (key in expected)
            if key in expected:
                expected[key] = expected.pop(key)
        else:
            cache.discard(key)
            expected.pop(key, None)
        figures = memory.figures()
        assert figures.total_bytes == sum(expected.values()) <= 4000
        assert figures.entries == len(expected)
        assert [key for key in range(6) if key in cache] == sorted(expected)


TENSOR = np.zeros((4, 256), dtype=np.float32)


@pytest.mark.parametrize(
    ("value", "at_least"),
    [
        (TENSOR, 4096),
        (memoryview(bytes(500)), 500),
        (bytes(500), 500),
        (bytearray(500), 500),
        ("x" * 500, 500),
        ("画" * 500, 1000),
        (array("d", [0.0] * 50), 400),
        ((TENSOR, bytes(500)), 4596),
        ([TENSOR, ["x" * 500]], 4596),
        ({"features": TENSOR, "sizes": (bytes(300), bytes(200))}, 4596),
        ({"x" * 500: None}, 500),
        (frozenset({"x" * 500}), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_measured_with_what_they_contain(value, at_least):
    assert at_least <= size_of(value) <= at_least + 700


def test_a_value_of_another_kind_counts_as_much_as_it_says():
    class Image:
        def __sizeof__(self):
            return 12_345

    assert size_of(Image()) == sys.getsizeof(Image())


def test_an_object_that_occurs_twice_counts_once_and_a_cycle_is_measured():
    assert size_of([TENSOR, TENSOR]) < 2 * TENSOR.nbytes
    cycle = [bytes(500)]
    cycle.append(cycle)
    assert 500 < size_of(cycle) < 1000


def test_even_empty_values_are_limited_in_number(memory):
    cache = TaskCache(memory)
    for key in range(1000):
        cache[key] = ()
    assert 0 < memory.figures().entries <= 4000 / ENTRY_BYTES


def test_a_value_that_many_threads_need_is_computed_once(memory):
    cache, computed, got = TaskCache(memory), [], []

    def embed():
        computed.append(1)
        time.sleep(0.1)
        return object()

    run_at_once(8, lambda: got.append(cache.get_or_compute(1, embed)))
    assert (len(computed), len(got), len(set(got))) == (1, 8, 1)
    figures = memory.figures()
    assert (figures.hits, figures.misses) == (7, 1)


def test_threads_that_wait_get_a_value_that_is_too_large_to_be_kept(memory):
    cache, computed = TaskCache(memory), []

    def embed():
        computed.append(1)
        time.sleep(0.2)
        return of_size(5000)

    run_at_once(4, lambda: cache.get_or_compute(1, embed))
    assert len(computed) == 1
    assert 1 not in cache


def test_different_keys_are_computed_at_the_same_time(memory):
    cache, both = TaskCache(memory), threading.Barrier(2, timeout=5)
    keys = [1, 2]
    run_at_once(2, lambda: cache.get_or_compute(keys.pop(), both.wait))
    assert not both.broken


def test_when_a_computation_fails_its_caller_gets_the_error_and_the_next_one_tries(
    memory,
):
    cache, computed, got, failed = TaskCache(memory), [], [], []

    def embed():
        computed.append(1)
        time.sleep(0.1)
        if len(computed) == 1:
            raise OSError("image is gone")
        return "embedding"

    def use():
        try:
            got.append(cache.get_or_compute(1, embed))
        except OSError as error:
            failed.append(str(error))

    run_at_once(5, use)
    assert failed == ["image is gone"]
    assert got == ["embedding"] * 4
    assert len(computed) == 2


def test_a_computation_may_use_the_cache_for_other_keys(memory):
    cache = TaskCache(memory)
    got = cache.get_or_compute(1, lambda: cache.get_or_compute(2, lambda: "inner"))
    assert (got, cache.get(1), cache.get(2)) == ("inner",) * 3


def test_a_computation_that_needs_its_own_key_fails_instead_of_hanging(memory):
    cache = TaskCache(memory)
    with pytest.raises(RuntimeError, match="another key"):
        cache.get_or_compute(1, lambda: cache.get_or_compute(1, lambda: "inner"))
    assert cache.get_or_compute(1, lambda: "later") == "later"


def test_a_value_may_use_the_cache_when_it_is_destroyed(memory):
    cache, destroyed = TaskCache(memory), []

    class Handle:
        nbytes = 100

        def __del__(self):
            destroyed.append(cache.get("other"))

    def use():
        cache["other"] = "value"
        cache["handle"] = Handle()
        cache["handle"] = "replaced"
        cache["handle"] = Handle()
        cache.discard("handle")

    run_at_once(1, use)  # a thread of its own, because a mistake would block it
    assert destroyed == ["value"] * 2


def test_models_share_the_limit_and_never_their_values():
    first, second = LabelStudioMLBase(), LabelStudioMLBase()
    first.task_cache[1] = "first"
    second.task_cache[1] = "second"
    assert (first.task_cache.get(1), second.task_cache.get(1)) == ("first", "second")
    assert task_cache_figures().entries == 2


def test_the_values_of_a_model_go_when_the_model_goes():
    stays, gone = LabelStudioMLBase(), LabelStudioMLBase()
    gone.itself = gone  # only the garbage collector can free it
    stays.task_cache[1] = gone.task_cache[1] = TENSOR
    one = task_cache_figures().total_bytes / 2
    del gone
    gc.collect()
    figures = task_cache_figures()
    assert (figures.total_bytes, figures.entries) == (one, 1)
    assert 1 in stays.task_cache


def test_values_of_a_view_that_closes_while_the_lock_is_held_are_removed_after(memory):
    view = TaskCache(memory)
    view[1] = "value"
    with memory._locked():
        del view
        gc.collect()
        assert len(memory._entries) == 1
    assert len(memory._entries) == 0


def test_the_cache_works_if_an_init_never_calls_ours():
    class Rude(LabelStudioMLBase):
        def __init__(self):
            self.task_cache[1] = "value"

    assert Rude().task_cache.get(1) == "value"


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deepcopy", "pickle"],
)
def test_a_copied_model_starts_with_an_empty_cache(copied):
    model = LabelStudioMLBase()
    model.task_cache[1] = "value"
    other = copied(model)
    assert 1 not in other.task_cache
    other.task_cache[1] = "other"
    assert model.task_cache.get(1) == "value"


class Segmenter(LabelStudioMLBase):
    """Embeds an image slowly and answers a click from the embedding."""

    def setup(self):
        self.embedded = []

    def embedding(self, task):
        return self.task_cache.get_or_compute(task["id"], lambda: self.embed(task))

    def prefetch(self, task):
        self.embedding(task)

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": [], "score": float(self.embedding(tasks[0]).sum())}]

    def embed(self, task):
        self.embedded.append(task["id"])
        return np.ones(4)


def test_an_interactive_model_embeds_each_task_once():
    model, click = Segmenter(), {"result": [{"type": "keypointlabels"}]}
    model.prefetch({"id": 1})
    for task_id in (1, 1, 2, 1, 2):
        (answer,) = model.predict([{"id": task_id}], context=click)
        assert answer["score"] == 4.0
    assert model.embedded == [1, 2]


def test_the_limit_comes_from_the_environment(monkeypatch):
    assert task_cache_figures().max_bytes == 512 * 1024**2
    monkeypatch.setenv("TASK_CACHE_MB", "0.5")
    monkeypatch.setattr(task_cache, "_process_cache", None)
    assert task_cache_figures().max_bytes == 512 * 1024


def test_a_limit_of_zero_keeps_nothing_and_still_computes(monkeypatch):
    monkeypatch.setenv("TASK_CACHE_MB", "0")
    model = LabelStudioMLBase()
    assert model.task_cache.get_or_compute(1, lambda: "value") == "value"
    assert task_cache_figures().entries == 0


def test_threads_and_the_garbage_collector_keep_the_limit_and_the_sum(memory):
    stop = time.monotonic() + 0.5

    def work():
        number = 0
        while time.monotonic() < stop:
            view = TaskCache(memory)
            view.itself = view
            for _ in range(20):
                number += 1
                view[number % 7] = of_size(300 + number % 900)
                view.get_or_compute(number % 5, lambda: of_size(400))
                assert memory.figures().total_bytes <= 4000

    run_at_once(4, work)
    gc.collect()
    assert (memory.figures().total_bytes, memory.figures().entries) == (0, 0)
