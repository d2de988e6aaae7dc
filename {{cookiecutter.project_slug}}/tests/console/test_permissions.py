"""The server refuses what a role may not do, and pages show no button for it."""

import pytest

from lsml.audit.models import AuditEntry
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db
FORM = {"reason": "too many runs", "notes": "mine"}


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("train", "project"),
        ("pause", "project"),
        ("predict", "project"),
        ("policy", "project"),
        ("promote", "project"),
        ("roll_back", "project"),
        ("cancel", "running"),
        ("retry", "running"),
        ("shadow", "latest"),
        ("note", "latest"),
        ("evaluate", "latest"),
        ("artifact", "latest"),
    ],
)
def test_the_server_refuses_every_operation_of_a_viewer(viewer, name, of):
    story = factory.story(predictions=1)
    entries = AuditEntry.objects.count()
    kind = ["training"] if of == "running" else []
    address = page(name, *kind, story[of].pk)
    assert viewer.post(address, FORM).status_code == 403
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_a_role_that_may_not_operate_sees_no_button_for_it(client, role):
    client.force_login(factory.person("vera", role))
    story = factory.story(predictions=1)
    for row in (story["project"], story["latest"], story["running"]):
        shown = client.get(detail_page(row)).text
        for word in (
            "Train now",
            "Pause training",
            ">Promote",
            "Roll back",
            ">Cancel",
            "Save",
            "Evaluate again",
        ):
            assert word not in shown


def test_an_address_without_a_login_leads_to_the_login_page(client):
    of = factory.project()
    answer = client.post(page("train", of.pk))
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]
