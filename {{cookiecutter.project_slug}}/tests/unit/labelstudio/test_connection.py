"""`connect` registers the backend and repairs an existing connection."""

import base64

import pytest

from lsml.labelstudio.addresses import check_address
from lsml.labelstudio.connection import (
    Backend,
    connect,
    try_prediction,
)
from lsml.labelstudio.failures import (
    BackendRefused,
    LabelStudioError,
    LocalAddressBlocked,
)
from lsml.labelstudio.webhooks import PROJECT_HEADER

CONFIG = "<View><Text name='t' value='$t'/><Choices name='c' toName='t'/></View>"
URL = "http://10.0.0.5:9090"
BASIC = "Basic " + base64.b64encode("me:gehäim".encode()).decode()


class FakeStudio:
    """The parts of Label Studio that `connect` uses, with its side effects."""

    url = "http://studio"

    def __init__(self, *, blocks_webhooks=False, tasks=3, label_config=CONFIG):
        self.blocks_webhooks = blocks_webhooks
        self.about = {
            "id": 1, "title": "P", "created_at": "2026-11-23T11:39:00Z",
            "label_config": label_config, "task_number": tasks,
            "model_version": "", "show_collab_predictions": True,
        }  # fmt: skip
        self.versions = []  # of stored predictions
        self.by_id, self.hooks, self.calls = {}, {}, []
        self.answer = {"response": [{"result": []}]}
        self.ids = iter(range(1, 100))

    def project(self, project_id):
        return self.about

    def backends(self, project_id):
        return list(self.by_id.values())

    def add_backend(self, fields):
        self.calls.append("add_backend")
        backend = {
            "id": next(self.ids),
            "state": "CO",
            "is_interactive": False,
        } | fields
        self.by_id[backend["id"]] = backend
        if self.blocks_webhooks:  # Label Studio stores the backend anyway
            raise LocalAddressBlocked(detail="reserved network")
        if self.about["show_collab_predictions"] and not self.about["model_version"]:
            self.about["model_version"] = backend["title"]
        url = fields["url"] + "/webhook"
        if not any(hook["url"] == url for hook in self.hooks.values()):
            self._hook(url=url)
        return backend

    def change_backend(self, backend_id, fields):
        self.calls.append("change_backend")
        before = self.by_id[backend_id]["title"]
        self.by_id[backend_id] |= fields
        if self.about["model_version"] == before:  # Label Studio renames it too
            self.about["model_version"] = self.by_id[backend_id]["title"]
        return self.by_id[backend_id]

    def remove_backend(self, backend_id):
        self.calls.append("remove_backend")
        removed = self.by_id.pop(backend_id)
        if self.about["model_version"] == removed["title"]:  # even if another has it
            self.about["model_version"] = ""

    def change_project(self, project_id, fields):
        self.calls.append("change_project")
        known = {each["title"] for each in self.by_id.values()} | set(self.versions)
        if fields["model_version"] not in known:
            raise LabelStudioError("Model version doesn't exist.", "Choose another.")
        self.about |= fields

    def prediction_versions(self, project_id):
        return self.versions

    def webhooks(self, project_id):
        return list(self.hooks.values())

    def add_webhook(self, fields):
        self.calls.append("add_webhook")
        self._hook(**fields)

    def change_webhook(self, webhook_id, fields):
        self.calls.append("change_webhook")
        self.hooks[webhook_id] |= fields

    def remove_webhook(self, webhook_id):
        self.calls.append("remove_webhook")
        del self.hooks[webhook_id]

    def test_prediction(self, backend_id):
        return self.answer

    def _hook(self, **fields):
        hook = {
            "id": next(self.ids), "project": 1, "headers": {}, "is_active": True,
            "send_payload": True, "send_for_all_actions": True,
        }  # fmt: skip
        self.hooks[hook["id"]] = hook | fields


def ours(**changes):
    fields = {"url": URL, "title": "ours", "user": "me", "password": "gehäim"}
    return Backend(**fields | changes)


def titles(studio):
    return {each["id"]: each["title"] for each in studio.by_id.values()}


def run(studio, backend=None):
    lines = []
    connection = connect(
        studio=studio, project_id=1, backend=backend or ours(), say=lines.append
    )
    return connection, "\n".join(lines)


def test_a_new_backend_is_registered_and_its_webhook_gets_the_credentials():
    studio = FakeStudio()
    connection, _ = run(studio)
    assert connection.changed
    assert str(connection.key) == "1.1795433940"
    [backend] = studio.by_id.values()
    assert backend["basic_auth_user"] == "me"
    [hook] = studio.hooks.values()
    assert hook["headers"] == {"Authorization": BASIC, PROJECT_HEADER: "1.1795433940"}


def test_a_second_run_changes_nothing():
    studio = FakeStudio()
    run(studio)
    studio.calls.clear()
    connection, said = run(studio)
    assert studio.calls == []
    assert not connection.changed
    assert "already connected" in said


def test_a_backend_that_lost_its_connection_gets_the_password_again():
    studio = FakeStudio()
    run(studio)
    next(iter(studio.by_id.values()))["state"] = "DI"
    studio.calls.clear()
    run(studio)
    assert studio.calls == ["change_backend"]


def test_interactive_is_changed_only_on_request():
    studio = FakeStudio()
    run(studio, ours(interactive=True))
    run(studio)
    assert next(iter(studio.by_id.values()))["is_interactive"]


def test_a_new_address_replaces_the_old_one_and_its_webhook():
    studio = FakeStudio()
    run(studio)
    run(studio, ours(url="http://10.0.0.6:9090"))
    assert [each["url"] for each in studio.by_id.values()] == ["http://10.0.0.6:9090"]
    assert [each["url"] for each in studio.hooks.values()] == [
        "http://10.0.0.6:9090/webhook"
    ]


def test_the_webhook_of_a_manual_connection_is_removed_with_its_address():
    studio = FakeStudio()
    studio.add_backend({"url": "http://10.0.0.4:9090", "title": "ours", "project": 1})
    run(studio)
    assert [each["url"] for each in studio.hooks.values()] == [f"{URL}/webhook"]


@pytest.fixture
def duplicated():
    """A project with two backends at our address. It shows those of a third one."""
    studio = FakeStudio()
    studio.add_backend({"url": "http://other.example", "title": "theirs", "project": 1})
    for title in ("ours", "ours"):
        studio.add_backend({"url": f"{URL}/", "title": title, "project": 1})
    return studio


def test_a_second_backend_at_our_address_is_removed_and_reported(duplicated):
    connection, said = run(duplicated)
    assert sorted(titles(duplicated).values()) == ["ours", "theirs"]
    assert connection.backend["id"] in duplicated.by_id
    assert connection.changed
    assert f"Removed a second backend at {URL}: “ours”." in said
    assert "Another backend is kept: “theirs”" in said
    assert "kept: “ours”" not in said
    duplicated.calls.clear()
    connection, _ = run(duplicated)
    assert duplicated.calls == []
    assert not connection.changed


@pytest.mark.parametrize(
    ("states", "names", "kept"),
    [
        (("CO", "CO"), ("mine", "ours"), 1),
        (("CO", "CO"), ("ours", "mine"), 0),
        (("DI", "CO"), ("ours", "mine"), 1),
        (("DI", "DI"), ("mine", "ours"), 1),
        (("CO", "CO"), ("ours", "ours"), 0),
    ],
)
def test_of_several_backends_a_connected_one_with_our_title_is_kept(
    duplicated, states, names, kept
):
    ours_twice = [each for each in duplicated.by_id.values() if each["title"] == "ours"]
    for each, state, title in zip(ours_twice, states, names, strict=True):
        each |= {"state": state, "title": title}
    connection, _ = run(duplicated)
    assert connection.backend["id"] == ours_twice[kept]["id"]
    assert sorted(titles(duplicated).values()) == ["ours", "theirs"]


def test_a_duplicate_that_connect_itself_created_is_removed():
    studio = FakeStudio()
    add = studio.add_backend
    studio.add_backend = lambda fields: [add(fields), add(fields)][1]
    run(studio)
    assert len(studio.by_id) == 1
    assert studio.about["model_version"] == "ours"


def test_removing_a_duplicate_does_not_leave_the_project_without_predictions(
    duplicated,
):
    duplicated.about["model_version"] = "ours"
    run(duplicated)
    assert duplicated.about["model_version"] == "ours"


@pytest.mark.parametrize("nothing", [None, "", "a backend that was removed"])
def test_a_project_that_shows_no_predictions_is_changed_to_ours(nothing):
    studio = FakeStudio()
    run(studio)
    studio.about["model_version"] = nothing
    connection, said = run(studio)
    assert studio.about["model_version"] == "ours"
    assert connection.changed
    assert "now shows the predictions of “ours”" in said
    studio.calls.clear()
    connection, _ = run(studio)
    assert studio.calls == []
    assert not connection.changed


def test_another_connected_backend_or_a_stored_version_is_still_shown(
    duplicated,
):
    _, said = run(duplicated)
    assert duplicated.about["model_version"] == "theirs"
    assert "still shows the predictions of “theirs”" in said
    duplicated.versions = ["v1"]
    duplicated.about["model_version"] = "v1"
    run(duplicated)
    assert duplicated.about["model_version"] == "v1"


def test_another_backend_that_is_disconnected_is_replaced(duplicated):
    next(iter(duplicated.by_id.values()))["state"] = "DI"
    _, said = run(duplicated)
    assert duplicated.about["model_version"] == "ours"
    assert "“theirs”, which no longer works" in said


def test_a_project_with_predictions_switched_off_is_not_changed():
    studio = FakeStudio()
    studio.about["show_collab_predictions"] = False
    _, said = run(studio)
    assert studio.about["model_version"] == ""
    assert "shows annotators no predictions" in said
    assert "change_project" not in studio.calls


def test_a_changed_title_is_kept_unless_another_is_requested():
    studio = FakeStudio()
    run(studio, ours(title=None))
    assert list(titles(studio).values()) == ["lsml"]
    [backend] = studio.by_id.values()
    studio.change_backend(backend["id"], {"title": "Sentiment"})
    studio.calls.clear()
    run(studio, ours(title=None))
    assert studio.calls == []
    assert backend["title"] == studio.about["model_version"] == "Sentiment"
    run(studio, ours(title="ours"))
    assert backend["title"] == studio.about["model_version"] == "ours"


def test_webhooks_of_others_are_kept_and_orphans_are_reported():
    studio = FakeStudio()
    studio.add_backend({"url": "http://other.example", "title": "theirs", "project": 1})
    studio._hook(url="http://gone.example/webhook")
    studio._hook(url="https://chat.example/notify")
    _, said = run(studio)
    assert len(studio.hooks) == 4
    assert "http://gone.example/webhook" in said
    assert "theirs" in said
    assert "chat.example" not in said


def test_a_webhook_that_was_switched_off_is_switched_on():
    studio = FakeStudio()
    run(studio)
    hook = next(iter(studio.hooks.values()))
    hook |= {"is_active": False, "send_payload": False, "headers": {"X-Mine": "1"}}
    run(studio)
    hook = studio.hooks[hook["id"]]
    assert hook["is_active"]
    assert hook["send_payload"]
    assert hook["headers"]["X-Mine"] == "1"
    assert hook["headers"]["Authorization"] == BASIC


def test_duplicate_webhooks_are_removed():
    studio = FakeStudio()
    run(studio)
    studio._hook(url=f"{URL}/webhook")
    run(studio)
    assert len(studio.hooks) == 1


def test_a_backend_without_basic_auth_gets_the_token_on_its_webhook():
    studio = FakeStudio()
    run(studio, ours(user="", password="", webhook_token="t0ken"))
    [hook] = studio.hooks.values()
    assert hook["headers"]["X-Webhook-Token"] == "t0ken"
    assert next(iter(studio.by_id.values()))["auth_method"] == "NONE"


def test_a_backend_without_a_webhook_is_removed_again():
    studio = FakeStudio(blocks_webhooks=True)
    with pytest.raises(LocalAddressBlocked) as refusal:
        run(studio)
    assert studio.by_id == {}
    assert "SSRF_PROTECTION_ENABLED" in refusal.value.next_step


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://ml-backend:9090", "dot"),
        ("http://ml_backend.internal:9090", "underscore"),
        ("http://me:geheim@10.0.0.5", "credentials"),
        ("10.0.0.5:9090", "not the address"),
        ("ftp://10.0.0.5", "not the address"),
    ],
)
def test_an_address_that_would_get_no_webhook_is_refused_first(url, why):
    studio = FakeStudio()
    with pytest.raises(LabelStudioError, match=why) as refusal:
        run(studio, ours(url=url))
    assert studio.calls == []
    assert "geheim" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9090",
        "https://ml.example.org/prefix",
        "http://[::1]:9090",
        URL,
    ],
)
def test_usable_addresses_are_accepted(url):
    check_address(url)


def test_a_project_without_controls_is_refused_with_the_reason():
    studio = FakeStudio(label_config="<View></View>")
    with pytest.raises(LabelStudioError, match="no control tag"):
        run(studio)
    assert studio.calls == []


def test_the_test_prediction_must_have_a_result():
    studio, lines = FakeStudio(), []
    connection, _ = run(studio)
    try_prediction(studio, connection, lines.append)
    assert lines == ["The test prediction works through Label Studio."]
    studio.answer = {"response": [[]]}
    try_prediction(studio, connection, lines.append)
    assert "none for that task yet" in lines[1]
    studio.answer = {"response": None, "error_message": "500 Server Error"}
    with pytest.raises(BackendRefused, match="500 Server Error"):
        try_prediction(studio, connection, lines.append)


def test_a_service_that_answers_late_is_retried():
    studio = FakeStudio()
    add, refusals = studio.add_backend, [BackendRefused("Read timed out.", "Wait.")]

    def slow_once(fields):
        if refusals:
            raise refusals.pop()
        return add(fields)

    studio.add_backend = slow_once
    connection, _ = run(studio)
    assert connection.changed


def test_without_tasks_there_is_no_test_prediction():
    studio, lines = FakeStudio(tasks=0), []
    connection, _ = run(studio)
    try_prediction(studio, connection, lines.append)
    assert "no tasks" in lines[0]
