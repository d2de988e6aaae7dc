"""Versions in shadow, in the operators' API."""

import pytest
from django.utils import timezone

from lsml.registry.models import ModelVersion
from tests.db.api_v1.jobs import entries, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(project):
    return ModelVersion.objects.create(
        project=project, version="v1", number=1, created_at=timezone.now()
    )


def test_a_version_is_started_compared_and_stopped(operator, viewer, project, version):
    address = f"/api/v1/versions/{version.pk}"
    started = send(operator, f"{address}/shadow", {"percent": 5, "reason": "try"})
    expected = {"project_pk": project.pk, "version": "v1", "percent": 5}
    assert (started.status_code, started.json()) == (200, expected)
    found = viewer.get(f"/api/v1/projects/{project.pk}/shadow").json()
    assert (found["version"], found["predicted"], found["passes"]) == ("v1", 0, None)
    stopped = send(operator, f"{address}/stop-shadow", {"reason": "enough"})
    assert stopped.json() == expected | {"version": None}
    assert entries() == [
        ("shadow started", "olga", "try"),
        ("shadow stopped", "olga", "enough"),
    ]


def test_without_a_percentage_the_share_is_the_one_of_the_policy(
    operator, project, version
):
    project.shadow_percent = 60
    project.save()
    address = f"/api/v1/versions/{version.pk}/shadow"
    assert send(operator, address, {"reason": "try"}).json()["percent"] == 60


def test_without_a_shadow_there_is_nothing_to_compare_or_stop(
    operator, viewer, project, version
):
    assert viewer.get(f"/api/v1/projects/{project.pk}/shadow").status_code == 404
    address = f"/api/v1/versions/{version.pk}/stop-shadow"
    reply = send(operator, address, {"reason": "enough"})
    assert (reply.status_code, reply.json()["detail"]) == (409, "v1 is not in shadow.")


@pytest.mark.parametrize("body", [{}, {"reason": "x", "percent": 0}])
def test_a_wrong_start_is_refused(operator, version, body):
    reply = send(operator, f"/api/v1/versions/{version.pk}/shadow", body)
    assert reply.status_code == 400
    assert not entries()


def test_a_viewer_may_not_start_it(viewer, version):
    address = f"/api/v1/versions/{version.pk}/shadow"
    assert send(viewer, address, {"reason": "x"}).status_code == 403
