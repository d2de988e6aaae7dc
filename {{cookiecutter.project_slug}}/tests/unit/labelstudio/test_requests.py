"""Every request is read, or refused with a clear message."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.requests import (
    DeleteRequest,
    DuplicateRequest,
    JobStatusRequest,
    PredictRequest,
    SetupRequest,
    TrainRequest,
    ValidateRequest,
    VersionsRequest,
    WebhookRequest,
)

PROTOCOL = Path(__file__).parents[2] / "protocol"
PARSERS = {
    "setup": SetupRequest,
    "predict": PredictRequest,
    "webhook": WebhookRequest,
    "train": TrainRequest,
    "validate": ValidateRequest,
    "versions": VersionsRequest,
    "job_status": JobStatusRequest,
    "duplicate_model": DuplicateRequest,
    "delete": DeleteRequest,
}
RECORDED = [
    path
    for endpoint in PARSERS
    for path in sorted((PROTOCOL / endpoint).glob("*.json"))
]
FOREIGN_WORDS = [
    "project", "schema", "hostname", "extra_params", "tasks", "params", "label_config",
    "action", "task", "annotation", "annotations", "config", "job", "project_src",
    "project_dst", "id", "data", "context", "created_at",
]  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["1.1795433940", "ANNOTATION_CREATED", "2026-11-23T11:39:01Z"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(FOREIGN_WORDS) | st.text(), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


def recorded(path):
    return json.loads((PROTOCOL / path).read_text())["request"]


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_recorded_request_is_parsed(path):
    PARSERS[path.parent.name].parse(json.loads(path.read_text())["request"])


@pytest.mark.parametrize("parser", PARSERS.values(), ids=list(PARSERS))
@given(body=json_values)
def test_any_json_is_read_or_refused(parser, body):
    with suppress(WireError):  # any other exception fails the test
        parser.parse(body)


def test_setup_renames_schema_and_drops_the_token():
    request = SetupRequest.parse(
        recorded("setup/setup.json") | {"access_token": "geheim"}
    )
    assert request.label_config.startswith("<View>")
    assert request.project.created_stamp
    assert "geheim" not in repr(request)


def test_setup_reads_extra_params_that_were_stored_as_text():
    body = {"project": "1.2", "schema": "<View/>", "extra_params": '{"beam": 4}'}
    assert SetupRequest.parse(body).extra_params == {"beam": 4}


def test_task_data_credentials_do_not_reach_the_model_and_other_params_do():
    params = {"login": "ann", "password": "geheim", "context": None, "beam": 4}
    body = {"tasks": [], "project": "1.2", "params": params}
    request = PredictRequest.parse(body)
    assert request.params == {"beam": 4}
    assert not request.interactive


def test_an_interactive_request_keeps_its_whole_context():
    sent = recorded("predict/interactive.json")
    sent["params"]["context"] |= {"annotation_id": 7, "draft_id": 8, "user_id": 9}
    request = PredictRequest.parse(sent)
    assert request.interactive
    assert request.context == sent["params"]["context"]


def test_an_empty_context_is_interactive_too():
    body = {"tasks": [], "params": {"context": {}}}
    assert PredictRequest.parse(body).interactive


def test_tasks_are_kept_as_sent():
    sent = recorded("predict/batch.json")
    assert PredictRequest.parse(sent).tasks == sent["tasks"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tasks": None}, "tasks"),
        ({"tasks": {"id": 1}}, "tasks"),
        ({"tasks": [{"data": {}}, 3]}, "tasks[1]"),
        ({"tasks": [{"id": 1}]}, "tasks[0].data"),
        ({"tasks": [{"data": {}}, {"data": "x"}]}, "tasks[1].data"),
        ({"tasks": [{"id": "1", "data": {}}]}, "tasks[0].id"),
        ({"tasks": [{"id": 2**63, "data": {}}]}, "tasks[0].id"),
        ({"project": "one"}, "project"),
        ({"project": 1.5}, "project"),
        ({"label_config": 3}, "label_config"),
        ({"params": []}, "params"),
        ({"params": {"context": []}}, "params.context"),
    ],
)
def test_a_wrong_predict_request_names_the_field(change, field):
    body = {
        "tasks": [{"id": 1, "data": {}}],
        "project": "1.2",
        "label_config": "<View/>",
    }
    with pytest.raises(WireError) as refusal:
        PredictRequest.parse(body | change)
    assert refusal.value.field == field
    assert f"`{field}`" in str(refusal.value)


def test_a_job_may_be_a_number():
    assert JobStatusRequest.parse({"job": 12}).job == "12"


def test_a_versions_request_needs_no_body():
    assert VersionsRequest.parse(None).project is None
    assert VersionsRequest.parse({"project": "3.4"}).project == ProjectKey(3, 4)


def test_an_older_client_sends_the_annotated_tasks():
    request = TrainRequest.parse(recorded("train/train.json"))
    assert request.tasks[0]["annotations"][0]["result"]
