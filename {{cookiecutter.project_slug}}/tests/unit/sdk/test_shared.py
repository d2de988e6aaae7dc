"""`load_shared` and `self.shared`: loaded once per process for a class."""

import importlib
import sys
import threading
import time

import pytest

from label_studio_ml import hosting
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.state import MemoryStore


@pytest.fixture
def loads():
    """A list that the classes of a test add each load to."""
    return []


@pytest.fixture
def sharing(loads):
    """A class that shares a new object."""

    class Sharing(LabelStudioMLBase):
        @classmethod
        def load_shared(cls):
            loads.append(cls)
            return object()

        def load(self, artifacts):
            self.loaded_before = list(loads)

    return Sharing


def load_version(model_class, tmp_path, *, trained=False):
    return hosting.load_version(
        model_class,
        store=MemoryStore(),
        project_id="7",
        label_config=None,
        artifacts=tmp_path,
        empty_dir=tmp_path / "empty",
        trained=trained,
    )


def test_a_class_without_the_hook_shares_none():
    assert LabelStudioMLBase().shared is None


def test_all_models_of_a_class_share_one_result(sharing, loads):
    first, second = sharing(project_id="1"), sharing(project_id="2")
    assert first.shared is second.shared is first.shared
    assert loads == [sharing]


def test_creating_a_model_does_not_load_what_it_shares(sharing, loads):
    sharing()
    assert loads == []


def test_a_subclass_has_a_result_of_its_own(sharing, loads):
    class Child(sharing):
        """Inherits the hook."""

    assert sharing().shared is not Child().shared
    assert loads == [sharing, Child]


def test_setup_and_an_init_that_never_calls_ours_may_use_the_result(sharing):
    class Early(sharing):
        def setup(self):
            self.seen = self.shared

    class Rude(sharing):
        def __init__(self):
            self.seen = self.shared

    for kind in (Early, Rude):
        model = kind()
        assert model.seen is model.shared is not None


def test_models_that_need_the_result_at_once_load_it_once(loads):
    class Slow(LabelStudioMLBase):
        @classmethod
        def load_shared(cls):
            loads.append(cls)
            time.sleep(0.1)
            return object()

    start, seen = threading.Barrier(8), []

    def use():
        start.wait()
        seen.append(Slow().shared)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert (len(seen), len(set(seen))) == (8, 1)


def test_an_error_is_raised_to_the_caller_and_the_next_access_tries_again(loads):
    class Failing(LabelStudioMLBase):
        @classmethod
        def load_shared(cls):
            loads.append(cls)
            if len(loads) == 1:
                raise OSError("weights.bin is missing")
            return "weights"

    model = Failing()
    with pytest.raises(OSError, match="is missing"):
        _ = model.shared
    assert [model.shared, model.shared] == ["weights"] * 2
    assert len(loads) == 2


def test_forgetting_makes_the_next_access_load_again(sharing, loads):
    model = sharing()
    before = model.shared
    hosting.forget_shared()
    assert model.shared is not before
    assert len(loads) == 2


def test_a_hook_that_reads_its_own_result_fails_instead_of_hanging():
    class Circular(LabelStudioMLBase):
        @classmethod
        def load_shared(cls):
            return cls().shared

    with pytest.raises(RecursionError):
        _ = Circular().shared


def test_a_version_is_loaded_after_what_its_class_shares(sharing, loads, tmp_path):
    model = load_version(sharing, tmp_path)
    assert model.loaded_before == loads == [sharing]


def test_a_version_cannot_be_loaded_if_the_hook_fails(tmp_path):
    class Failing(LabelStudioMLBase):
        @classmethod
        def load_shared(cls):
            raise OSError("weights.bin is missing")

    with pytest.raises(OSError, match="is missing"):
        load_version(Failing, tmp_path)


LEGACY = """
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    @classmethod
    def load_shared(cls):
        return object()

    def fit(self, event, data, **kwargs):
        pass
"""


def test_a_legacy_module_that_runs_again_shares_one_result(tmp_path, monkeypatch):
    monkeypatch.delenv("MODEL_DIR", raising=False)
    (tmp_path / "legacy_sharing.py").write_text(LEGACY)
    monkeypatch.syspath_prepend(tmp_path)
    kind = importlib.import_module("legacy_sharing").Mine
    try:
        models = [load_version(kind, tmp_path, trained=True) for _ in range(2)]
    finally:
        del sys.modules["legacy_sharing"]
    first, second = models
    assert type(first) is not type(second)
    assert first.shared is second.shared is not None


class LegacyWithOwnNames(LabelStudioMLBase):
    prefetch = 4  # batches that its data loader reads ahead

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.shared = {"own": True}
        self.task_cache = {}
        self.batch_size = 32

    def load_shared(self, path):
        """An unrelated helper with the same name."""
        raise AssertionError(path)


class LegacyWithOwnProperties(LabelStudioMLBase):
    task_cache: dict = {}

    @property
    def shared(self):
        return "own"


def test_a_class_may_use_the_names_for_something_else(tmp_path):
    model = load_version(LegacyWithOwnNames, tmp_path)
    assert (model.shared, model.task_cache) == ({"own": True}, {})
    assert (model.prefetch, model.batch_size) == (4, 32)

    model = load_version(LegacyWithOwnProperties, tmp_path)
    assert (model.shared, model.task_cache) == ("own", {})
