"""Finding a user's class, creating its model and calling it."""

import importlib
import os
import pickle
import sys
from types import ModuleType

import pytest

from label_studio_ml import hosting
from label_studio_ml import model as sdk
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.state import MemoryStore


class Legacy(LabelStudioMLBase):
    def fit(self, event, data, **kwargs):
        """Learn from one event."""

    def train(self, model, arguments, data):
        """An unrelated helper with the same name."""

    def load(self, path):
        """Another unrelated helper."""


class Modern(LabelStudioMLBase):
    def train(self, dataset, run):
        """Learn from everything."""

    def load(self, artifacts):
        """Read what train wrote."""


def module(**members):
    made = ModuleType("model")
    for name, member in members.items():
        setattr(made, name, member)
    return made


@pytest.mark.parametrize(
    ("model_class", "offers"),
    [
        (LabelStudioMLBase, (False, False, False)),
        (Legacy, (True, False, False)),
        (Modern, (False, True, True)),
    ],
)
def test_methods_and_their_parameters_decide_what_a_class_offers(model_class, offers):
    assert offers == (
        hosting.offers_fit(model_class),
        hosting.offers_train(model_class),
        hosting.offers_load(model_class),
    )


def test_a_registered_update_function_counts_as_fit(monkeypatch):
    monkeypatch.setattr(sdk, "_update_fn", print)
    assert hosting.offers_fit(LabelStudioMLBase)


def test_calling_a_missing_train_raises_not_implemented():
    with pytest.raises(NotImplementedError, match=r"Legacy.*|LabelStudioMLBase has no"):
        LabelStudioMLBase().train(None, None)


def test_the_most_derived_class_of_a_module_is_its_model():
    class Child(Modern):
        """The most derived class."""

    found = hosting.model_classes(
        module(Base=LabelStudioMLBase, Modern=Modern, Child=Child, other=3)
    )
    assert found == [Child]


def test_defined_classes_take_precedence_over_imported_ones():
    own = type("Own", (LabelStudioMLBase,), {"__module__": "model"})
    assert hosting.model_classes(module(Own=own, Modern=Modern)) == [own]
    assert hosting.model_classes(module(Modern=Modern)) == [Modern]


def test_registered_functions_without_a_class_are_served_by_the_base_class(monkeypatch):
    assert hosting.model_classes(module()) == []
    monkeypatch.setattr(sdk, "_predict_fn", print)
    assert hosting.model_classes(module()) == [LabelStudioMLBase]


class TakesAll(LabelStudioMLBase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


class TakesNone(LabelStudioMLBase):
    def __init__(self):
        super().__init__()


class TakesOne(LabelStudioMLBase):
    def __init__(self, project_id=None):
        super().__init__(project_id)


class TakesMore(LabelStudioMLBase):
    def __init__(self, label_config=None, device="cpu", **kwargs):
        self.device = device
        super().__init__(label_config=label_config, **kwargs)


@pytest.mark.parametrize(
    "model_class", [LabelStudioMLBase, TakesAll, TakesNone, TakesOne, TakesMore]
)
def test_a_model_is_created_whatever_its_init_takes(model_class):
    store = MemoryStore()
    made = hosting.make_model(
        model_class, store=store, project_id="7", label_config="<View/>"
    )
    assert (made.project_id, made.label_config) == ("7", "<View/>")
    assert store.get("model_version") == "0.0.1"


BULK = {
    "action": "ANNOTATIONS_CREATED",
    "annotation": [{"id": 1, "task": 10}, {"id": 2, "task": 11}],
    "task": [{"id": 10}, {"id": 11}],
    "project": {"id": 1},
}


def calls(model_class, payload):
    return list(hosting.fit_calls(model_class, payload["action"], payload))


def test_fit_is_called_with_the_body_without_its_action():
    payload = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1}}
    assert calls(Legacy, payload) == [("ANNOTATION_CREATED", {"annotation": {"id": 1}})]


def test_bulk_annotations_reach_a_legacy_fit_one_by_one():
    project = {"project": {"id": 1}}
    assert calls(Legacy, BULK) == [
        (
            "ANNOTATION_CREATED",
            {"annotation": {"id": n, "task": t}, "task": {"id": t}} | project,
        )
        for n, t in ((1, 10), (2, 11))
    ]


def test_bulk_items_that_are_not_annotations_are_skipped():
    odd = {"annotation": ["x", {"id": 1, "task": [10]}], "task": ["y", {"id": [10]}]}
    ((event, data),) = calls(Legacy, {"action": "ANNOTATIONS_CREATED"} | odd)
    assert (event, data["annotation"]["id"], data["task"]) == (
        "ANNOTATION_CREATED",
        1,
        {"id": [10]},
    )


def test_a_class_that_lists_the_bulk_event_gets_it_as_one_call():
    class Bulk(Legacy):
        TRAIN_EVENTS = (*Legacy.TRAIN_EVENTS, "ANNOTATIONS_CREATED")

    assert [event for event, _ in calls(Bulk, BULK)] == ["ANNOTATIONS_CREATED"]


@pytest.mark.parametrize(
    "action", ["ANNOTATIONS_DELETED", "PROJECT_UPDATED", "TASKS_CREATED", "NEW"]
)
def test_other_events_give_no_call(action):
    assert calls(Legacy, {"action": action, "annotations": [{"id": 1}]}) == []


LEARNS_BY_FIT = """
import os
from label_studio_ml.model import LabelStudioMLBase

loaded = []

class Mine(LabelStudioMLBase):
    MODEL_DIR = os.getenv("MODEL_DIR", ".")

    def setup(self):
        self.seen = os.getenv("MODEL_DIR", ".")
        loaded.append(self.MODEL_DIR)

    def fit(self, event, data, **kwargs):
        pass
"""


@pytest.fixture
def legacy(tmp_path, monkeypatch):
    """A model class in its own module file."""
    monkeypatch.delenv("MODEL_DIR", raising=False)
    (tmp_path / "legacy_model.py").write_text(LEARNS_BY_FIT)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("legacy_model").Mine
    del sys.modules["legacy_model"]


def test_a_legacy_module_that_runs_again_has_its_own_globals_and_model_dir(
    legacy, tmp_path
):
    made = []
    for version in ("v1", "v2"):
        with hosting.run_anew(legacy, model_dir=tmp_path / version) as kind:
            made.append(kind())
    first, second = made
    folders = [str(tmp_path / "v1"), str(tmp_path / "v2")]
    assert folders == [first.MODEL_DIR, second.MODEL_DIR]
    assert [first.seen, second.seen] == folders
    assert sys.modules["legacy_model"].loaded == [folders[1]]
    assert type(first) is not type(second)
    assert "MODEL_DIR" not in os.environ


def test_the_operators_model_dir_is_kept(legacy, tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", "/data/models")
    with hosting.run_anew(legacy, model_dir=tmp_path) as kind:
        assert kind.MODEL_DIR == "/data/models"
    assert os.environ["MODEL_DIR"] == "/data/models"


def test_a_class_of_the_new_module_can_be_pickled_and_read_again(legacy, tmp_path):
    with hosting.run_anew(legacy, model_dir=tmp_path) as kind:
        assert pickle.loads(pickle.dumps(kind)) is kind


def test_a_module_that_fails_leaves_the_previous_one_in_place(legacy, tmp_path):
    before = sys.modules["legacy_model"]
    (tmp_path / "legacy_model.py").write_text("raise RuntimeError('broken')")
    with (
        pytest.raises(RuntimeError, match="broken"),
        hosting.run_anew(legacy, model_dir=None),
    ):
        """Never entered."""
    assert sys.modules["legacy_model"] is before


@pytest.mark.parametrize(
    ("model_class", "by_fit"),
    [(Legacy, True), (Modern, False), (LabelStudioMLBase, False)],
)
def test_classes_with_fit_and_without_train_learn_by_event(model_class, by_fit):
    assert hosting.learns_by_fit(model_class) is by_fit


class Prefetching(LabelStudioMLBase):
    def prefetch(self, task):
        """Prepare for the task."""


class OwnPrefetch(LabelStudioMLBase):
    def prefetch(self, dataset, workers=2):
        """An unrelated helper with the same name."""


class PrefetchSetting(LabelStudioMLBase):
    prefetch = 4


@pytest.mark.parametrize(
    ("model_class", "offered"),
    [
        (LabelStudioMLBase, False),
        (Prefetching, True),
        (OwnPrefetch, False),
        (PrefetchSetting, False),
    ],
)
def test_prefetch_is_recognised_by_its_parameter(model_class, offered):
    assert hosting.offers_prefetch(model_class) is offered


def test_a_model_that_overrides_nothing_prefetches_nothing():
    assert LabelStudioMLBase().prefetch({"id": 1, "data": {}}) is None


class Embedding(LabelStudioMLBase):
    def embed(self, tasks, batch_size=8):
        """Return vectors."""


class OwnEmbed(LabelStudioMLBase):
    def embed(self, task):
        """An unrelated helper with the same name."""


@pytest.mark.parametrize(
    ("model_class", "offered"),
    [(LabelStudioMLBase, False), (Embedding, True), (OwnEmbed, False)],
)
def test_embed_is_recognised_by_its_parameter(model_class, offered):
    assert hosting.offers_embed(model_class) is offered


def test_a_model_without_embed_says_so_if_it_is_called():
    with pytest.raises(NotImplementedError, match=r"has no embed\(tasks\)"):
        LabelStudioMLBase().embed([])


def batching(size):
    return type("Batching", (LabelStudioMLBase,), {"batch_size": size})


@pytest.mark.parametrize(
    ("size", "expected"),
    [(16, 16), (1, 1), (0, 1), (-3, 1), (True, 1), (2.5, 1), ("16", 1), (None, 1)],
)
def test_a_batch_size_that_is_not_a_positive_whole_number_counts_as_one(size, expected):
    assert hosting.batch_size_of(batching(size)) == expected


def test_a_batch_size_property_counts_as_one():
    assert hosting.batch_size_of(batching(property(lambda model: 16))) == 1


def test_requests_are_not_put_together_unless_the_class_says_so():
    assert hosting.batch_size_of(LabelStudioMLBase) == 1
