"""Every detail page opens, and no page changes an audit row."""

import pytest
from django.urls import reverse

from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.dataset.models import Annotation, Task
from lsml.quality.models import Evaluation
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.training.models import TrainingRun
from tests.console import factory
from tests.console.addresses import detail_page

pytestmark = pytest.mark.django_db
QUERIES_MAX = 15
DETAILS = [
    Project,
    ModelVersion,
    Promotion,
    TrainingRun,
    Evaluation,
    Prediction,
    WebhookEvent,
    AuditEntry,
    Task,
    Annotation,
]


@pytest.mark.parametrize("model", DETAILS, ids=lambda model: model.__name__)
def test_a_detail_page_opens_in_few_queries(
    viewer, model, django_assert_max_num_queries
):
    factory.story(predictions=120)
    row = model.objects.order_by("-pk").first()
    with django_assert_max_num_queries(QUERIES_MAX):
        assert viewer.get(detail_page(row)).status_code == 200


def test_no_page_offers_to_add_change_or_delete_an_audit_row(client):
    client.force_login(factory.person("root"))
    factory.story(predictions=5)
    row = Prediction.objects.first()
    assert client.get(reverse("admin:audit_prediction_add")).status_code == 403
    gone = client.post(reverse("admin:audit_prediction_delete", args=[row.pk]))
    assert gone.status_code == 403
    client.post(detail_page(row), {"score": "1"})
    assert Prediction.objects.get(pk=row.pk).score == row.score
