"""Agreement rows follow the annotations."""

import pytest
from django.utils import timezone

from lsml.dataset.agreement import update_agreements
from lsml.dataset.models import Agreement, Annotation
from lsml.registry.models import Project
from tests.db.audit.rows import predict

pytestmark = pytest.mark.django_db


def choice(name):
    value = {"choices": [name]}
    return [{"from_name": "a", "to_name": "t", "type": "choices", "value": value}]


@pytest.fixture
def project():
    return Project.objects.create(labelstudio_id=1)


@pytest.fixture
def annotate(project):
    """Store an annotation and update its agreements."""

    def annotate(name="A", number=11, **facts):
        Annotation.objects.update_or_create(
            project=project,
            annotation_id=number,
            defaults={
                "task_id": 7,
                "result": choice(name),
                "updated_at": timezone.now(),
                **facts,
            },
        )
        update_agreements(project=project, annotation_ids=[number])

    return annotate


def values():
    rows = Agreement.objects.order_by("model_version", "annotation_id")
    return [(row.model_version, row.annotation_id, row.value) for row in rows]


@pytest.fixture
def predicted(project):
    def make(version, name, **facts):
        facts = {"project_pk": project.pk, "task_id": 7, **facts}
        return predict(model_version=version, result=choice(name), **facts)[0]

    return make


def test_the_last_prediction_of_each_version_is_compared(annotate, predicted):
    predicted("v1", "A")
    predicted("v1", "B")
    predicted("v2", "A")
    annotate("A")
    assert values() == [("v1", 11, 0.0), ("v2", 11, 1.0)]


def test_a_changed_annotation_is_compared_again(annotate, predicted):
    predicted("v1", "A")
    annotate("B")
    annotate("A")
    assert values() == [("v1", 11, 1.0)]


@pytest.mark.parametrize(
    "facts", [{"deleted_at": timezone.now()}, {"was_cancelled": True}]
)
def test_a_deleted_or_skipped_annotation_has_no_agreement(annotate, predicted, facts):
    predicted("v1", "A")
    annotate("A")
    annotate("B", number=12)
    annotate("A", **facts)
    assert values() == [("v1", 12, 0.0)]


def test_other_tasks_projects_and_errors_are_ignored(annotate, predicted, project):
    predicted("v1", "A", task_id=8)
    predicted("v1", "A", project_pk=project.pk + 1)
    predicted("v1", "A", outcome="error")
    annotate("A")
    assert values() == []


def test_many_annotations_cost_no_more_queries_than_one(
    project, annotate, predicted, django_assert_num_queries
):
    predicted("v1", "A")
    for number in range(1, 20):
        annotate("A", number=number)
    with django_assert_num_queries(9):
        update_agreements(project=project, annotation_ids=range(1, 20))
