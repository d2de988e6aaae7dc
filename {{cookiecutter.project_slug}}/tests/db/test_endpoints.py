"""Label Studio's other endpoints: their answers, and the rows they write."""

import pytest

from lsml.audit.models import AuditEntry, WebhookEvent
from lsml.labelstudio.identity import ProjectKey
from lsml.registry.models import ModelVersion, Project, StateItem
from lsml.registry.services import get_or_create_project, promote
from lsml.training.models import InboxEntry, TrainingRun
from tests.db.conftest import CONFIG, order, recorded

pytestmark = pytest.mark.django_db

KEY = "1.1795433940"


@pytest.fixture
def project():
    return get_or_create_project(ProjectKey.parse(KEY))


@pytest.fixture
def version(project, origin):
    made = ModelVersion.objects.create(
        project=project,
        number=1,
        version="v1",
        label_config=CONFIG,
        created_at="2026-11-23T12:00:00Z",
    )
    promote(project=project, version=made, actor="test", reason="test", origin=origin)
    return made


def test_health_names_the_model_and_makes_none(api, scripted):
    for path in ("/", "/health"):
        assert api.get(path).json() == {"status": "UP", "model_class": "ScriptedModel"}
    assert scripted.made == 0


def test_a_model_file_that_cannot_be_imported_makes_health_say_so(api, serve):
    serve("tests.models.nowhere.Model")
    reply = api.get("/health")
    assert reply.status_code == 500
    assert "tests.models.nowhere" in reply.json()["detail"]


def test_setup_answers_the_served_version_and_makes_no_model(post, scripted, version):
    assert post("/setup", {"project": KEY, "schema": CONFIG}).json() == {
        "model_version": "v1"
    }
    assert scripted.made == 0


def test_setup_as_label_studio_sends_it_keeps_no_token(post, constant):
    body = recorded("setup/setup") | {"access_token": "very-secret-token"}
    assert post("/setup", body).status_code == 200
    project = Project.objects.get()
    assert project.label_config == body["schema"]
    assert "very-secret-token" not in str(Project.objects.values())
    assert "very-secret-token" not in str(list(AuditEntry.objects.values()))


def test_setup_again_writes_nothing(post, constant, django_assert_num_queries):
    body = {"project": KEY, "schema": CONFIG}
    post("/setup", body)
    with django_assert_num_queries(1):
        post("/setup", body)
    assert AuditEntry.objects.count() == 1  # the first config


def test_extra_params_reach_the_model(post, scripted):
    body = {"project": KEY, "schema": CONFIG, "extra_params": {"threshold": 0.7}}
    post("/setup", body)
    scripted.answer = lambda model, tasks: [
        {"result": [], "score": model.extra_params["threshold"]} for _ in tasks
    ]
    assert post("/predict", order(1)).json()["results"][0]["score"] == 0.7


def test_a_reused_id_with_another_stamp_is_another_project(post, constant, version):
    reply = post("/setup", {"project": "1.1800000000", "schema": CONFIG})
    assert reply.json() == {"model_version": "0.0.1"}
    assert Project.objects.filter(labelstudio_id=1).count() == 2


def test_a_changed_config_flags_the_versions_that_lost_a_label(post, constant, version):
    changed = CONFIG.replace('<Choice value="Negative"/>', '<Choice value="Bad"/>')
    post("/setup", {"project": KEY, "schema": changed})
    version.refresh_from_db()
    assert version.missing_labels == ["Negative"]
    assert AuditEntry.objects.get().verb == "label config changed"


def test_versions_name_the_served_one_first(api, post, constant, version):
    assert api.get("/versions").json() == {"versions": ["v1", "0.0.1"]}
    assert post("/versions", {"project": KEY}).json() == {"versions": ["v1", "0.0.1"]}
    assert post("/versions", {"project": "9.1"}).json() == {"versions": ["0.0.1"]}


def test_validate_accepts_a_config_and_says_why_it_refuses_one(post):
    assert post("/validate", {"config": CONFIG}).status_code == 200
    reply = post("/validate", {"config": "<View><Text name='t' value='$t'/></View>"})
    assert reply.status_code == 400
    assert reply.json()["detail"]


def test_a_job_is_queued_until_a_run_takes_it_and_an_unknown_job_is_a_410(
    post, project
):
    body = {"action": "START_TRAINING", "project": {"id": 1}}
    job = post("/webhook", body).json()["job"]
    assert post("/job_status", {"job": job}).json()["job_status"] == "queued"
    assert post("/job_status", {"job": "nonsense"}).status_code == 410


def test_an_old_style_train_brings_its_tasks_and_a_training_request(post, constant):
    body = recorded("train/train")
    assert post("/train", body).status_code == 200
    actions = list(WebhookEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-1] == "START_TRAINING"
    assert InboxEntry.objects.count() == len(actions)


def test_a_duplicated_project_serves_the_same_version(post, constant, version, project):
    StateItem.objects.create(project=project, key="prompt", value="Be kind")
    body = {"project_src": KEY, "project_dst": "2.1795439999"}
    assert post("/duplicate_model", body).json() == {"model_version": "v1"}
    copy = Project.objects.get(labelstudio_id=2)
    assert copy.state_items.get(key="prompt").value == "Be kind"
    assert post("/duplicate_model", body).status_code == 200
    assert copy.versions.count() == 1


def test_duplicating_an_unknown_project_is_a_404(post):
    body = {"project_src": "7.1", "project_dst": "8.1"}
    assert post("/duplicate_model", body).status_code == 404


def test_a_deleted_project_serves_nothing_trained_and_keeps_its_audit_log(
    post, constant, version, project
):
    post("/predict", order(1))
    assert post("/delete", {"project": KEY}).status_code == 200
    version.refresh_from_db()
    assert version.state == "archived"
    reply = post("/setup", {"project": KEY, "schema": CONFIG})
    assert reply.json() == {"model_version": "0.0.1"}
    assert project.promotions.count() == 2
    assert AuditEntry.objects.filter(verb="project archived").exists()


def test_a_deleted_projects_training_stops_and_its_events_are_kept(post, project):
    run = TrainingRun.objects.create(
        project=project,
        trigger="person",
        requested_by="olga",
        created_at="2026-11-23T12:00:00Z",
    )
    post("/webhook", {"action": "START_TRAINING", "project": {"id": 1}})
    assert post("/delete", {"project": KEY}).status_code == 200
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_by) == ("cancelled", "label studio")
    assert InboxEntry.objects.get().held


def test_metrics_count_predictions_and_events(api, post, constant):
    post("/predict", order(3))
    post("/webhook", {"action": "TASKS_CREATED"})
    text = api.get("/metrics").content.decode()
    assert 'lsml_predictions_total{kind="batch",outcome="ok"}' in text
    assert 'lsml_webhook_events_total{action="TASKS_CREATED"}' in text


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/predict", [], "body"),
        ("/predict", {"tasks": {}}, "tasks"),
        ("/predict", {"tasks": [{"id": 1}]}, "tasks[0].data"),
        ("/predict", {"tasks": [], "project": "one"}, "project"),
        ("/setup", {"project": KEY, "schema": "<View"}, "label_config"),
        ("/setup", {"project": KEY}, "schema"),
        ("/webhook", {}, "action"),
        ("/delete", {}, "project"),
    ],
)
def test_wrong_input_gets_a_400_that_names_the_field(post, constant, path, body, field):
    reply = post(path, body)
    assert (reply.status_code, reply.json()["field"]) == (400, field)
    assert reply.json()["request_id"] == reply["X-Request-ID"]


def test_a_body_that_is_not_json_gets_a_400(api, constant):
    reply = api.post("/predict", b"{nope", content_type="application/json")
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")


def test_an_unknown_address_gets_the_same_shape_of_error(api):
    reply = api.get("/nothing/here")
    assert reply.status_code == 404
    assert set(reply.json()) == {"detail", "code", "field", "request_id"}


def test_the_answer_to_a_wrong_method_names_the_allowed_ones(api, db):
    reply = api.get("/predict")
    assert (reply.status_code, reply["Allow"]) == (405, "POST, OPTIONS")
    assert reply.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/webhook", "/api/v1/tokens"])
@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", ""]
)
def test_a_body_that_is_not_declared_as_json_is_refused(api, db, declared, path):
    # A page of a foreign site can send these without being asked for permission.
    reply = api.generic("POST", path, b'{"action": "X"}', content_type=declared)
    assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in reply.json()["detail"]


def test_a_host_that_is_not_allowed_is_refused(api, db):
    reply = api.get("/health", HTTP_HOST="evil.example")
    assert reply.status_code == 400
