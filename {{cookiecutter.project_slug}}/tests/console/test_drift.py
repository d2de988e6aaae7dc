"""The page about drift, and the way to it."""

import pytest
from django.utils import timezone

from lsml.console.pages.alarms import place_of
from lsml.dataset.models import LiveAgreementDay
from lsml.quality.models import Alarm, DriftCheck
from tests.console import factory
from tests.console.addresses import detail_page, page
from tests.db.audit.rows import predict

pytestmark = pytest.mark.django_db

SENTENCE = "Length of text differs from what v2 was trained on."


@pytest.fixture
def project():
    return factory.story()["project"]


def checked(project, *, differs, notes=()):
    feature = {
        "name": "Length of text",
        "live": "median 420 characters",
        "reference": "median 80 characters",
        "live_tasks": 500,
        "reference_tasks": 1000,
        "divergence": 0.41234,
        "threshold": 0.01567,
        "differs": differs,
        "sentence": SENTENCE,
    }
    DriftCheck.objects.create(
        project=project,
        model_version=project.served_version,
        checked_at=timezone.now(),
        latest_prediction=1,
        live_tasks=500,
        features=[feature],
        notes=list(notes),
    )


def shown(client, project):
    return " ".join(client.get(page("drift", project.pk)).text.split())


def test_the_page_of_a_project_links_to_it(viewer, project):
    address = page("drift", project.pk)
    shown = viewer.get(detail_page(project)).text
    assert f'href="{address}"' in shown
    # Among the buttons at the top, so that it is on the first screen of a phone.
    assert shown.index(address) < shown.index("c-card")


def test_an_alarm_leads_to_it(project):
    alarm = Alarm(kind=Alarm.Kind.DRIFT, project=project)
    assert place_of(alarm) == page("drift", project.pk)


def test_it_shows_what_differs_and_what_was_not_compared(viewer, project):
    checked(project, differs=True, notes=["title is not compared."])
    text = shown(viewer, project)
    assert SENTENCE in text
    assert "title is not compared." in text
    for cell in ("420", "80 characters", "1,000", "0.4123", "0.0157", "differs</b>"):
        assert cell in text


def test_without_drift_it_says_so(viewer, project):
    checked(project, differs=False)
    text = shown(viewer, project)
    assert "No drift on 500 tasks." in text
    assert SENTENCE not in text
    assert "similar" in text


def test_it_says_why_there_is_no_check(viewer, project):
    assert "Drift is not checked yet" in shown(viewer, project)
    project.active_version = None
    project.save()
    assert "0.0.1 was not trained here" in shown(viewer, project)


def test_expected_quality_stands_beside_live_agreement(viewer, project):
    LiveAgreementDay.objects.create(
        project=project,
        model_version=project.served_version,
        day=timezone.now().date(),
        sums={"overall": {"": [60, 45, 45]}, "scores": {"8": [60, 51, 45]}},
    )
    for task_id in range(5000, 5060):
        predict(
            project_pk=project.pk,
            model_version=project.served_version,
            task_id=task_id,
            score=0.85,
        )
    text = shown(viewer, project)
    assert "75 % (63–84 %)" in text
    assert "Expected agreement of the last" in text


def test_under_drift_the_expected_agreement_is_not_to_be_relied_on(viewer, project):
    checked(project, differs=False)
    assert "Do not rely on" not in shown(viewer, project)
    checked(project, differs=True)
    assert "Do not rely on the expected agreement" in shown(viewer, project)
