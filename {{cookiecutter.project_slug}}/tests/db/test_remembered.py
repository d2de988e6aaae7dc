"""Predictions by a process that remembers which version a project serves."""

from contextlib import suppress

import pytest
from django.db import (
    ProgrammingError,
    close_old_connections,
    connection,
    transaction,
)
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.labelstudio.identity import ProjectKey
from lsml.registry import served
from lsml.registry.models import ModelVersion, Project
from lsml.registry.services import promote, update_project
from tests.db.conftest import CONFIG, order


@pytest.fixture
def project(post, scripted):
    """A project that this process remembers, with two versions that it does not use."""
    scripted.answer = nothing_found
    for _ in range(2):  # the first request creates it, the second remembers it
        post("/predict", order(label_config=CONFIG))
    project = Project.objects.get()
    for number in (1, 2):
        ModelVersion.objects.create(
            project=project,
            number=number,
            version=f"v{number}",
            created_at=timezone.now(),
        )
    return project


@pytest.fixture
def promote_elsewhere(project, origin):
    """Promote as another process does: nothing here learns of it."""

    def put(name):
        version = project.versions.get(version=name)
        promote(project=project, version=version, actor="x", reason="x", origin=origin)

    return put


def nothing_found(model, tasks):
    return [{"result": [], "score": 0.5} for _ in tasks]


def versions_sent(reply):
    assert reply.status_code == 200, reply.content
    return [each["model_version"] for each in reply.json()["results"]]


def versions_recorded(reply):
    rows = Prediction.objects.filter(request_id=reply["X-Request-ID"])
    return list(rows.values_list("model_version", "outcome"))


pytestmark = pytest.mark.django_db


def test_a_promotion_counts_for_the_next_request_of_every_process(
    post, promote_elsewhere
):
    for name in ("v1", "v2"):
        promote_elsewhere(name)
        reply = post("/predict", order(2))
        assert versions_sent(reply) == [name] * 2
        assert versions_recorded(reply) == [(name, "ok")] * 2


def test_a_version_replaced_while_it_predicts_answers_nothing(
    post, scripted, promote_elsewhere
):
    def promoted_meanwhile(model, tasks):
        scripted.answer = nothing_found
        promote_elsewhere("v2")
        return nothing_found(model, tasks)

    scripted.answer = promoted_meanwhile
    reply = post("/predict", order(1))
    assert versions_sent(reply) == ["v2"]
    assert versions_recorded(reply) == [("v2", "ok")]


def test_an_error_of_a_replaced_version_is_neither_answered_nor_recorded(
    post, scripted, promote_elsewhere
):
    def promoted_because_it_fails(model, tasks):
        scripted.answer = nothing_found
        promote_elsewhere("v1")
        raise ValueError("old weights")

    scripted.answer = promoted_because_it_fails
    reply = post("/predict", order(1))
    assert versions_sent(reply) == ["v1"]
    assert versions_recorded(reply) == [("v1", "ok")]


def test_an_error_of_the_served_version_is_recorded_once(post, scripted, project):
    scripted.answer = ValueError("bad weights")
    reply = post("/predict", order(1))
    assert reply.status_code == 500
    assert versions_recorded(reply) == [("0.0.1", "error")]
    assert len(scripted.calls) == 3  # two by the fixture


def test_a_label_config_changed_elsewhere_counts_for_the_next_request(
    post, scripted, project, origin
):
    seen = []

    def look(model, tasks):
        seen.append(model.label_config)
        return nothing_found(model, tasks)

    scripted.answer = look
    changed = CONFIG.replace("Negative", "Neutral")
    update_project(project=project, origin=origin, label_config=changed)
    assert post("/predict", order(1)).status_code == 200
    assert seen[-1] == changed


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_project_deleted_elsewhere_is_created_again(
    post, scripted, project, forgotten, serve
):
    if forgotten:  # the model, but not the project
        serve("tests.models.scripted.ScriptedModel")
    project.versions.all().delete()
    Project.objects.filter(pk=project.pk).delete()
    reply = post("/predict", order(1))
    assert versions_sent(reply) == ["0.0.1"]
    row = Prediction.objects.get(request_id=reply["X-Request-ID"])
    assert row.project_pk == Project.objects.get().pk != project.pk


def test_label_configs_are_remembered_up_to_a_total_size(monkeypatch):
    monkeypatch.setattr(served, "_REMEMBERED_CHARACTERS_MAX", 1_000)
    for stamp in range(5):
        Project.objects.create(
            labelstudio_id=2, created_stamp=stamp, label_config="x" * 400
        )
        assert served.served(ProjectKey(2, stamp))
        remembered = sum(len(each.label_config) for each in served._remembered.values())
        assert 400 <= remembered <= 1_000


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_database_closed_costs_no_request(post, project):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()
    close_old_connections()  # at the start of a request; the test client leaves it out
    assert versions_sent(post("/predict", order(1))) == ["0.0.1"]


@pytest.mark.parametrize("left", ["open", "failed"])
@pytest.mark.django_db(transaction=True)
def test_a_transaction_left_open_on_the_connection_does_not_take_later_rows_with_it(
    post, project, left
):
    with connection.cursor() as cursor, suppress(ProgrammingError):
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1" if left == "open" else "SELECT missing")
    close_old_connections()  # at the start of a request; the test client leaves it out
    reply = post("/predict", order(1))
    assert versions_sent(reply) == ["0.0.1"]
    connection.close()  # what is not committed is lost
    assert versions_recorded(reply) == [("0.0.1", "ok")]


def open_transaction():
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")


def turn_autocommit_off():
    transaction.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def enter_atomic():
    transaction.atomic().__enter__()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("leave", [open_transaction, turn_autocommit_off, enter_atomic])
@pytest.mark.parametrize("is_remembered", [False, True])
def test_a_model_that_leaves_a_transaction_open_takes_no_rows_with_it(
    post, scripted, leave, is_remembered
):
    def left_open(model, tasks):
        leave()
        return nothing_found(model, tasks)

    scripted.answer = nothing_found
    for _ in range(2 if is_remembered else 0):
        post("/predict", order(label_config=CONFIG))
    replies = []
    for answer in (left_open, nothing_found):
        close_old_connections()
        scripted.answer = answer
        replies.append(post("/predict", order(label_config=CONFIG)))
        close_old_connections()
    connection.close()  # what is not committed is lost
    for reply in replies:
        assert versions_recorded(reply) == [("0.0.1", "ok")]
