"""What is unknown in a request is refused, with the names that there are."""

import pytest

from lsml.audit.models import AuditEntry
from tests.db.api_v1.jobs import KINDS, send

pytestmark = pytest.mark.django_db


def refused(reply):
    assert reply.status_code == 400, reply.content
    assert not AuditEntry.objects.exists()
    return reply.json()["field"], reply.json()["detail"]


@pytest.fixture
def addresses(project, version, a_job):
    jobs = {name: f"/api/v1/{name}/{a_job(name).pk}" for name in KINDS}
    return {
        "policy": f"/api/v1/projects/{project.pk}/policy",
        "promote": f"/api/v1/versions/{version.pk}/promote",
        "bulk prediction": "/api/v1/prediction-jobs",
        "evaluation": "/api/v1/evaluations",
        "audit job": "/api/v1/audit-jobs",
        "token": "/api/v1/tokens",
        **{f"cancel {name}": f"{job}/cancel" for name, job in jobs.items()},
        **{f"retry {name}": f"{job}/retry" for name, job in jobs.items()},
    }


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    {
        "policy": "training_mode, training_paused, min_annotations,",
        "promote": "Use: reason.",
        "bulk prediction": "Use: project_pk, only, task_ids,",
        "evaluation": "Use: version_id.",
        "audit job": "Use: kind, since, until, file_format.",
        "token": "Use: username, password, days.",
        **{f"cancel {name}": "Use: reason." for name in KINDS},
        **{f"retry {name}": "Send no field." for name in KINDS},
    }.items(),
)
def test_an_unknown_field_is_refused_with_the_known_ones(
    operator, addresses, endpoint, allowed
):
    body = {"reazon": "a typing error"}
    field, detail = refused(send(operator, addresses[endpoint], body))
    assert field == "reazon"
    assert detail.startswith("There is no such field. ")
    assert allowed in detail


def test_all_unknown_fields_are_named(operator, addresses):
    body = {"reazon": "a typing error", "because": "another"}
    field, detail = refused(send(operator, addresses["policy"], body))
    assert field is None
    assert detail.startswith("There are no such fields: because, reazon. Use: ")


def test_a_list_instead_of_an_object_is_refused(operator, addresses):
    reply = operator.post(addresses["policy"], ["reazon"], format="json")
    _, detail = refused(reply)
    assert "Expected a dictionary" in detail


@pytest.mark.parametrize(
    ("endpoint", "body", "choices"),
    [
        ("policy", {"training_mode": "x", "reason": "r"}, "auto, manual"),
        ("bulk prediction", {"only": "x"}, "without-this-version, unlabelled"),
        ("audit job", {"kind": "x"}, "verify, export"),
    ],
)
def test_a_wrong_choice_is_refused_with_the_choices(
    operator, addresses, project, endpoint, body, choices
):
    if endpoint == "bulk prediction":
        body |= {"project_pk": project.pk}
    _, detail = refused(send(operator, addresses[endpoint], body))
    assert detail == f'"x" is not a valid choice. Use: {choices}.'


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        (
            "projects/{pk}/next?strategy=x",
            '"x" is not a valid choice. Use: uncertainty, diverse, disagreement,'
            " random.",
        ),
        ("audit-jobs?kind=x", '"x" is not a valid choice. Use: verify, export.'),
        ("audit-jobs?x=1", "There is no such filter. Use: kind, state."),
        (
            "projects/{pk}/next?x=1",
            "There is no such parameter. Use: strategy, limit.",
        ),
    ],
)
def test_a_wrong_query_is_refused_with_what_there_is(viewer, project, address, detail):
    reply = viewer.get(f"/api/v1/{address.format(pk=project.pk)}")
    assert refused(reply)[1] == detail
