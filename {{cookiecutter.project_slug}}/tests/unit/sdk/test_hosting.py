"""What a service learns about a user's class, and how it makes a model of it."""

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
        """A helper of its own that happens to have this name."""

    def load(self, path):
        """Another one."""


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
def test_what_a_class_offers_is_read_from_its_methods_and_their_parameters(
    model_class, offers
):
    assert offers == (
        hosting.offers_fit(model_class),
        hosting.offers_train(model_class),
        hosting.offers_load(model_class),
    )


def test_a_registered_function_is_an_offer_to_fit(monkeypatch):
    monkeypatch.setattr(sdk, "_update_fn", print)
    assert hosting.offers_fit(LabelStudioMLBase)


def test_a_train_nobody_wrote_says_so():
    with pytest.raises(NotImplementedError, match=r"Legacy.*|LabelStudioMLBase has no"):
        LabelStudioMLBase().train(None, None)


def test_the_most_derived_class_of_a_module_is_its_model():
    class Child(Modern):
        """The one that is meant."""

    found = hosting.model_classes(
        module(Base=LabelStudioMLBase, Modern=Modern, Child=Child, other=3)
    )
    assert found == [Child]


def test_classes_a_module_defines_come_before_those_it_imports():
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
def test_a_model_is_made_whatever_its_init_takes(model_class):
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


def test_annotations_made_in_bulk_reach_a_legacy_fit_one_by_one():
    project = {"project": {"id": 1}}
    assert calls(Legacy, BULK) == [
        (
            "ANNOTATION_CREATED",
            {"annotation": {"id": n, "task": t}, "task": {"id": t}} | project,
        )
        for n, t in ((1, 10), (2, 11))
    ]


def test_a_class_that_lists_the_bulk_event_gets_it_whole():
    class Bulk(Legacy):
        TRAIN_EVENTS = (*Legacy.TRAIN_EVENTS, "ANNOTATIONS_CREATED")

    assert [event for event, _ in calls(Bulk, BULK)] == ["ANNOTATIONS_CREATED"]


@pytest.mark.parametrize(
    "action", ["ANNOTATIONS_DELETED", "PROJECT_UPDATED", "TASKS_CREATED", "NEW"]
)
def test_events_that_are_none_to_train_on_give_no_call(action):
    assert calls(Legacy, {"action": action, "annotations": [{"id": 1}]}) == []
