"""The page of suspicious annotations."""

import re
import struct
from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.console.pages import suspicious
from lsml.dataset.models import Annotation, Task
from lsml.quality.suspicious.services import suspicious_annotations
from lsml.registry.models import ModelVersion
from lsml.training.models import OutOfSample
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    return factory.project(hostname="http://ls.example/")


def answered(of, n, predicted, annotated, **facts):
    """Task `n`, a prediction of it, and an annotation."""
    now = timezone.now()
    row = factory.prediction(of, at=now, n=n, task_id=n, result=predicted)
    row.save()
    data = facts.pop("data", {"text": f"text {n}"})
    Task.objects.create(project=of, task_id=n, data=data, updated_at=now)
    Annotation.objects.create(
        project=of, annotation_id=100 + n, task_id=n, result=annotated, updated_at=now
    )
    return row


def flipped(of, agreeing=10):
    """Annotations that agree with the model, and one that does not."""
    for n in range(1, agreeing + 1):
        label = factory.LABELS[n % 2]
        answered(of, n, factory.choice(label, 0.8), factory.choice(label))
    return answered(
        of, 500, factory.choice("Positive", 0.97), factory.choice("Negative")
    )


def test_the_page_shows_the_reason_and_both_answers(viewer, of):
    row = flipped(of)
    shown = viewer.get(page("suspicious", of.pk))
    assert (
        "annotated Negative; v1, not trained on it, says Positive (0.97)" in shown.text
    )
    assert "11 of 11 annotations could be checked." in shown.text
    (entry,) = shown.context["entries"]
    assert [side.title for side in entry.sides] == [
        "Task",
        "Prediction by v1",
        "Annotation 600",
    ]
    assert "text 500" in shown.text
    assert detail_page(row) in shown.text


def test_cross_validation_is_shown_without_a_prediction(viewer, of):
    row = flipped(of)
    version = ModelVersion.objects.create(
        project=of, number=7, version="v7", created_at=timezone.now()
    )
    OutOfSample.objects.create(
        project=of,
        version=version,
        control=factory.choice("Negative")[0]["from_name"],
        labels=["Negative", "Positive"],
        task_ids=[500],
        probabilities=struct.pack("<2f", 0.02, 0.98),
    )
    shown = viewer.get(page("suspicious", of.pk))
    assert "cross-validation of v7, without this task, says Positive" in shown.text
    (entry,) = shown.context["entries"]
    assert [side.title for side in entry.sides] == ["Task", "Annotation 600"]
    assert detail_page(row) not in shown.text


def test_one_click_leads_to_the_task_here_and_in_label_studio(viewer, of):
    flipped(of)
    shown = viewer.get(page("suspicious", of.pk)).text
    assert detail_page(Task.objects.get(task_id=500)) in shown
    assert 'href="http://ls.example/projects/1/data?task=500"' in shown


def test_an_address_that_is_no_web_page_does_not_become_a_link(viewer, of):
    of.hostname = "javascript:alert(1)//"
    of.save()
    flipped(of)
    assert "javascript:alert" not in viewer.get(page("suspicious", of.pk)).text


def test_the_project_page_leads_to_it(viewer, of):
    assert page("suspicious", of.pk) in viewer.get(detail_page(of)).text


def test_without_anything_to_check_the_page_says_what_to_do(viewer, of):
    shown = viewer.get(page("suspicious", of.pk)).text
    assert "0 of 0 annotations could be checked." in shown
    assert "Predictions are recorded when annotators open tasks" in shown
    assert "manage.py predict before tasks are annotated" in shown
    assert "suspicious." not in shown


def test_only_the_first_are_drawn_and_that_is_said(viewer, of):
    flipped(of, agreeing=60)
    for n in range(100, 130):
        answered(of, n, factory.choice("Positive", 0.97), factory.choice("Negative"))
    shown = viewer.get(page("suspicious", of.pk))
    assert len(shown.context["entries"]) == 20
    assert "The 20 most suspicious are shown" in shown.text


def test_the_number_of_queries_does_not_depend_on_the_number_of_entries(
    viewer, of, django_assert_num_queries
):
    flipped(of, agreeing=40)
    viewer.get(page("suspicious", of.pk))
    for n in range(100, 110):
        answered(of, n, factory.choice("Positive", 0.97), factory.choice("Negative"))
    with django_assert_num_queries(16):
        viewer.get(page("suspicious", of.pk))


def lose_the_task(report):
    Task.objects.filter(task_id=500).delete()
    return report


def lose_the_annotation(report):
    Annotation.objects.filter(task_id=500).delete()
    return report


def lose_the_prediction(report):
    """Its partition was pruned."""
    results = [
        replace(one, prediction_id=1) if one.task_id == 500 else one
        for one in report.results
    ]
    return replace(report, results=results)


@pytest.mark.parametrize(
    "lose", [lose_the_task, lose_the_annotation, lose_the_prediction]
)
def test_what_is_removed_while_the_page_is_made_is_left_out(
    viewer, of, monkeypatch, lose
):
    flipped(of)
    answered(of, 501, factory.choice("Positive", 0.9), factory.choice("Negative"))

    def find_and_lose(**wanted):
        return lose(suspicious_annotations(**wanted))

    monkeypatch.setattr(suspicious, "suspicious_annotations", find_and_lose)
    shown = viewer.get(page("suspicious", of.pk))
    assert [entry.facts.task_id for entry in shown.context["entries"]] == [501]


def test_the_annotator_is_named(viewer, of):
    flipped(of)
    Annotation.objects.filter(task_id=500).update(completed_by=1234)
    shown = " ".join(viewer.get(page("suspicious", of.pk)).text.split())
    assert "by Label Studio user 1234" in shown


def test_if_all_annotations_fit_the_page_says_so(viewer, of):
    answered(of, 1, factory.choice("Positive", 0.8), factory.choice("Positive"))
    shown = viewer.get(page("suspicious", of.pk)).text
    assert "No checked annotation is suspicious." in shown
    assert "0 annotations" not in shown


def test_people_without_a_role_may_not_see_it(client, of):
    user = factory.person("nobody", "viewer")
    user.groups.clear()
    client.force_login(user)
    assert client.get(page("suspicious", of.pk)).status_code == 403


def test_the_page_allows_images_from_its_tasks_host_only(viewer, of):
    of.label_config = (
        '<View><Image name="i" value="$image"/>'
        '<RectangleLabels name="r" toName="i"><Label value="Cat"/></RectangleLabels>'
        "</View>"
    )
    of.save()
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["Cat"]}
    region = {"type": "rectanglelabels", "from_name": "r", "to_name": "i", "value": box}
    data = {"image": "https://pictures.example/1.png"}
    answered(of, 1, [region | {"score": 0.9}], [], data=data)
    policy = viewer.get(page("suspicious", of.pk))["Content-Security-Policy"]
    assert "img-src 'self' data: https://pictures.example;" in policy + ";"


# --- Annotations that a person found right ---


def confirm(client, of, updated_at):
    address = page("confirm_annotation", of.pk, 600)
    return client.post(address, {"updated_at": updated_at}, follow=True)


def test_a_person_confirms_an_annotation_as_shown(operator, of):
    flipped(of)
    shown = operator.get(page("suspicious", of.pk)).text
    assert page("confirm_annotation", of.pk, 600) in shown
    (state,) = re.findall(r'name="updated_at" value="([^"]+)"', shown)
    after = confirm(operator, of, state)
    assert "Annotation 600 is confirmed" in after.text
    assert after.context["entries"] == []
    assert "Not listed: 1 that people confirmed." in after.text
    assert AuditEntry.objects.get(verb="annotation confirmed").actor == "olga"


def test_an_annotation_that_changed_meanwhile_is_not_confirmed(operator, of):
    flipped(of)
    after = confirm(operator, of, "2026-11-01T00:00:00+00:00")
    assert "was changed or deleted since you looked at it" in after.text
    assert len(after.context["entries"]) == 1


@pytest.mark.parametrize("state", ["", "x"])
def test_a_form_without_the_state_is_refused(operator, of, state):
    flipped(of)
    assert confirm(operator, of, state).status_code == 400


def test_a_viewer_sees_no_button_and_may_not_confirm(viewer, of):
    flipped(of)
    shown = viewer.get(page("suspicious", of.pk)).text
    assert page("confirm_annotation", of.pk, 600) not in shown
    state = Annotation.objects.get(annotation_id=600).updated_at.isoformat()
    assert confirm(viewer, of, state).status_code == 403


def test_a_confirmation_from_another_site_is_refused(of):
    flipped(of)
    client = Client(enforce_csrf_checks=True)
    client.force_login(factory.person("olga", "operator"))
    state = Annotation.objects.get(annotation_id=600).updated_at.isoformat()
    assert confirm(client, of, state).status_code == 403
    assert not AuditEntry.objects.filter(verb="annotation confirmed").exists()
