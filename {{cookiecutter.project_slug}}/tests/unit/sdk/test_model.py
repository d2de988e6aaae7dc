"""Promises to classes that inherit from LabelStudioMLBase."""

import json
import subprocess
import sys

import jwt
import pytest
from semver import Version

from label_studio_ml import model as sdk
from label_studio_ml.ls_io import download_ls_dataset
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.state import MemoryStore, bound
from tests.http_stub import http_stub

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="sentiment" toName="text">
    <Choice value="Good"/><Choice value="Bad"/>
  </Choices>
</View>"""
BOXES = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image">
    <Label value="Car" predicted_values="car, truck"/><Label value="Plane"/>
    <Label value="Ship"/><Label value="Tree"/>
  </RectangleLabels>
</View>"""


def test_importing_the_base_class_imports_neither_pydantic_nor_the_label_interface():
    script = (
        "import sys, label_studio_ml.model, label_studio_ml.training, "
        "label_studio_ml.state, label_studio_ml.hosting\n"
        "heavy = {'pydantic', 'requests', 'label_studio_sdk.label_interface', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_new_model_has_the_initial_semantic_version():
    model = LabelStudioMLBase(project_id="1", label_config=CONFIG)
    assert model.get("model_version") == "0.0.1"
    assert model.model_version == Version(0, 0, 1)


def test_a_version_that_is_not_semantic_is_a_string():
    model = LabelStudioMLBase()
    model.set("model_version", "Mine-v1")
    assert model.model_version == "Mine-v1"


def test_an_empty_version_is_none():
    model = LabelStudioMLBase()
    model.set("model_version", "")
    assert model.model_version is None


def test_bumping_raises_the_minor_part_and_stores_it():
    model = LabelStudioMLBase()
    assert str(model.bump_model_version()) == "0.1.0"
    assert model.get("model_version") == "0.1.0"


def test_bumping_another_version_fails_and_says_what_to_do_instead():
    model = LabelStudioMLBase()
    model.set("model_version", "Mine-v1")
    with pytest.raises(ValueError, match=r"self\.set\('model_version'"):
        model.bump_model_version()


def test_setup_runs_last_and_may_set_the_version():
    class Mine(LabelStudioMLBase):
        def setup(self):
            self.seen = self.label_config
            self.set("model_version", "Mine-v1")

    model = Mine(project_id="1", label_config=CONFIG)
    assert model.seen == CONFIG
    assert model.get("model_version") == "Mine-v1"


def test_a_later_model_keeps_the_version_that_was_set():
    LabelStudioMLBase(project_id="1").set("model_version", "7")
    assert LabelStudioMLBase(project_id="1").get("model_version") == "7"


def test_models_of_one_project_share_state_and_other_projects_do_not():
    LabelStudioMLBase(project_id="1").set("prompt", "be kind")
    assert LabelStudioMLBase(project_id="1").get("prompt") == "be kind"
    assert LabelStudioMLBase(project_id="2").get("prompt") is None


def test_has_returns_whether_a_key_was_set():
    model = LabelStudioMLBase()
    model.set("empty", "")
    assert (model.has("empty"), model.has("never")) == (True, False)


@pytest.mark.parametrize("value", [1, None, {"a": 1}, b"bytes"], ids=repr)
def test_only_strings_can_be_set(value):
    with pytest.raises(ValueError, match="must be a string"):
        LabelStudioMLBase().set("key", value)


def test_a_bound_store_stays_the_state_after_the_block():
    store = MemoryStore()
    with bound(store):
        model = LabelStudioMLBase(project_id="1", label_config=CONFIG)
    model.set("prompt", "be kind")
    assert store.get("prompt") == "be kind"
    assert not LabelStudioMLBase(project_id="1").has("prompt")


def test_an_init_that_drops_the_arguments_gets_them_from_the_binding():
    class Forgetful(LabelStudioMLBase):
        def __init__(self):
            super().__init__()

    with bound(MemoryStore(), project_id="7", label_config=CONFIG):
        model = Forgetful()
    assert (model.project_id, model.label_config) == ("7", CONFIG)


def test_an_init_that_never_calls_ours_still_has_state():
    class Rude(LabelStudioMLBase):
        def __init__(self):
            self.set("key", "value")

    store = MemoryStore()
    with bound(store, project_id="7"):
        assert Rude().project_id == "7"
    assert store.get("key") == "value"


def test_the_label_config_is_offered_parsed_and_as_label_interface():
    model = LabelStudioMLBase(project_id="1", label_config=CONFIG)
    assert model.parsed_label_config["sentiment"]["labels"] == ["Good", "Bad"]
    assert json.loads(model.get("parsed_label_config")) == model.parsed_label_config
    assert model.label_interface.get_control("sentiment").labels == ["Good", "Bad"]
    assert model.get_first_tag_occurence("Choices", ("Image", "Text")) == (
        "sentiment",
        "text",
        "text",
    )


def test_another_label_config_replaces_the_label_interface():
    model = LabelStudioMLBase(label_config=CONFIG)
    assert model.label_interface.get_control("sentiment")
    model.use_label_config(BOXES)
    assert model.get_first_tag_occurence("RectangleLabels", "Image")[0] == "box"
    assert list(model.parsed_label_config) == ["box"]


def test_a_label_interface_can_be_assigned():
    model = LabelStudioMLBase()
    model.label_interface = "mine"
    assert model.label_interface == "mine"


def test_without_a_label_config_there_is_no_label_interface():
    assert not hasattr(LabelStudioMLBase(), "label_interface")


def test_labels_match_by_predicted_values_then_name_then_lower_case():
    model = LabelStudioMLBase(label_config=BOXES)
    names = ["car", "truck", "Plane", "ship", "bike"]
    assert model.build_label_map("box", names) == {
        "car": "Car",
        "truck": "Car",
        "Plane": "Plane",
        "ship": "Ship",
    }


@pytest.mark.parametrize("given", ['{"a": 1}', {"a": 1}], ids=["text", "object"])
def test_extra_params_are_read_as_json_whether_set_as_text_or_object(given):
    model = LabelStudioMLBase()
    assert model.extra_params == {}
    model.set_extra_params(given)
    assert model.extra_params == {"a": 1}


def test_registered_functions_replace_methods(monkeypatch):
    monkeypatch.setattr(sdk, "_predict_fn", None)
    monkeypatch.setattr(sdk, "_update_fn", None)

    @sdk.predict_fn
    def predict(tasks, context, helper, **kwargs):
        return [tasks, context, helper.project_id, kwargs]

    @sdk.update_fn
    def update(event, data, helper, **kwargs):
        return [event, data, helper.project_id, kwargs]

    model = LabelStudioMLBase(project_id="1")
    assert model.predict([{}], {"result": []}, login=None) == [
        [{}],
        {"result": []},
        "1",
        {"login": None},
    ]
    assert model.fit("START_TRAINING", {}, job_id="j") == [
        "START_TRAINING",
        {},
        "1",
        {"job_id": "j"},
    ]


def test_a_model_that_overrides_nothing_predicts_nothing():
    assert LabelStudioMLBase().predict([{}]) is None
    assert LabelStudioMLBase().fit("START_TRAINING", {}) is None


def test_training_events_reach_fit_and_others_do_not():
    class Mine(LabelStudioMLBase):
        def fit(self, event, data, **kwargs):
            return event, data, kwargs

    model = Mine()
    assert model.process_event("START_TRAINING", {"a": 1}, "j1", {"p": 2}) == (
        "START_TRAINING",
        {"a": 1},
        {"job_id": "j1", "p": 2},
    )
    assert model.process_event("PROJECT_UPDATED", {}, "j2", {}) is None


class Preloading(LabelStudioMLBase):
    def get_local_path(self, url, task_id=None, **kwargs):
        self.fetched = (*getattr(self, "fetched", ()), (url, task_id))
        return self.file


@pytest.fixture
def preloading(tmp_path):
    model = Preloading()
    model.file = str(tmp_path / "file.txt")
    (tmp_path / "file.txt").write_text("body")
    return model


def test_values_that_name_files_are_replaced_by_their_text_at_any_depth(preloading):
    url = "s3://bucket/1.txt"
    data = {"root": {"url": url, "urls": [url, "text"]}, "int": 1, "null": None}
    assert preloading.preload_task_data({"id": 3}, data) == {
        "root": {"url": "body", "urls": ["body", "text"]},
        "int": 1,
        "null": None,
    }
    assert preloading.fetched == ((url, 3), (url, 3))


def test_values_that_name_files_are_replaced_by_their_path_on_request(preloading):
    path = preloading.preload_task_data({}, "/data/upload/1/a.txt", read_file=False)
    assert path == preloading.file


class FakeLabelStudio:
    """Stands in for label-studio-sdk's client, whose import takes seconds."""

    made = 0

    def __init__(self, *, base_url, api_key, follow_redirects):
        type(self).made += 1
        if base_url != "http://ls.example/":
            raise RuntimeError("no key")
        self._client_wrapper = self._tokens_client = self
        self.api_key = "fresh"


@pytest.fixture
def label_studio(monkeypatch):
    monkeypatch.setattr(sdk, "LabelStudio", FakeLabelStudio, raising=False)
    monkeypatch.setattr(FakeLabelStudio, "made", 0)


def test_one_client_provides_every_token(label_studio, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://ls.example")
    model = LabelStudioMLBase()
    tokens = [model.get_label_studio_access_token() for _ in range(2)]
    assert (tokens, FakeLabelStudio.made) == (["fresh", "fresh"], 1)


def test_without_a_client_the_token_is_the_configured_one(label_studio, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://other.example")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "legacy")
    model = LabelStudioMLBase()
    tokens = [model.get_label_studio_access_token() for _ in range(2)]
    assert (tokens, FakeLabelStudio.made) == (["legacy", "legacy"], 1)


def test_without_an_address_no_client_is_created(label_studio, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "legacy")
    assert LabelStudioMLBase().get_label_studio_access_token() == "legacy"
    assert FakeLabelStudio.made == 0


@pytest.mark.filterwarnings("ignore:The `parse_obj`")  # the SDK's own
def test_a_redirect_gets_no_personal_access_token(server, monkeypatch):
    personal = jwt.encode({"exp": 4_000_000_000}, "k" * 32, algorithm="HS256")
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", personal)
    with http_stub() as elsewhere:
        moved = {"Location": f"{elsewhere.url}/api/token/refresh/"}
        server.answers["/api/token/refresh/"] = (307, moved, b"")
        with pytest.raises(PermissionError, match="set it to the address"):
            LabelStudioMLBase().get_label_studio_access_token()
        assert server.paths == ["/api/token/refresh/"]
        assert elsewhere.requests == []


@pytest.mark.filterwarnings("ignore:The `parse_obj`")  # the SDK's own
@pytest.mark.parametrize(
    "send",
    [
        lambda url, token: LabelStudioMLBase().get_label_studio_access_token(),
        lambda url, token: download_ls_dataset(url, token, 1),
    ],
    ids=["get_label_studio_access_token", "download_ls_dataset"],
)
def test_a_personal_access_token_is_exchanged_below_label_studios_path(
    server, monkeypatch, send
):
    personal = jwt.encode({"exp": 4_000_000_000}, "k" * 32, algorithm="HS256")
    monkeypatch.setenv("LABEL_STUDIO_URL", f"{server.url}/ls")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", personal)
    server.answers["/ls/api/token/refresh/"] = (307, {"Location": "/other"}, b"")
    with pytest.raises((PermissionError, ValueError)):
        send(f"{server.url}/ls", personal)
    assert server.paths == ["/ls/api/token/refresh/"]


def test_the_module_has_the_names_of_the_reference():
    from label_studio_ml.cache import CACHE
    from label_studio_ml.response import ModelResponse

    assert sdk.ModelResponse is ModelResponse
    assert sdk.CACHE is CACHE
    assert sdk.LabelInterface.__name__ == "LabelInterface"
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        sdk.Nonsense  # noqa: B018


def test_the_model_classes_of_a_script_are_found_by_its_path(tmp_path):
    script = tmp_path / "a_script_with_models.py"
    script.write_text(
        "from label_studio_ml.model import LabelStudioMLBase\n"
        "class Mine(LabelStudioMLBase): pass\n"
    )
    found = sdk.get_all_classes_inherited_LabelStudioMLBase(str(script))
    assert found == ["Mine"]
