"""Every list opens, in few queries, and pages by key."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lsml.audit.models import Prediction
from tests.console import factory, job_states
from tests.console.addresses import list_page

pytestmark = pytest.mark.django_db
LISTS = [
    "registry_project",
    "registry_modelversion",
    "registry_promotion",
    "registry_stateitem",
    "training_trainingrun",
    "inference_predictionjob",
    "quality_evaluation",
    "audit_prediction",
    "audit_webhookevent",
    "audit_auditentry",
    "audit_seal",
    "audit_auditjob",
    "dataset_task",
    "dataset_annotation",
    "dataset_agreement",
    "quality_alarm",
]
QUERIES_MAX = 15


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_opens(viewer, name):
    assert viewer.get(list_page(name)).status_code == 200


def grow(number):
    """Add a project with rows in every list but that of the seals."""
    of = factory.project("Another", number)
    factory.history(of, predictions=20)
    job_states.job("prediction", "succeeded", of)
    job_states.job("audit", "succeeded")
    factory.alarm(of)
    factory.person(f"person{number}", "viewer")


@pytest.mark.parametrize("name", [*LISTS, "auth_user"])
def test_a_list_opens_in_few_queries_however_many_rows_it_shows(
    client, name, monkeypatch
):
    client.force_login(factory.person("root"))
    for number in (1, 2):
        grow(number)
    shown = admin.site.get_model_admin(apps.get_model(name.replace("_", ".")))
    found = {}
    for size in (1, 50):
        monkeypatch.setattr(shown, "list_per_page", size)
        with CaptureQueriesContext(connection) as queries:
            changes = client.get(list_page(name)).context["cl"]
        found[len(changes.result_list)] = len(queries)
    [needed] = set(found.values())
    assert needed <= QUERIES_MAX
    assert len(found) == 2 or name == "audit_seal"


LARGE = {  # columns that no list shows
    "log",
    "payload",
    "input",
    "context",
    "label_config",
    "extra_params",
    "packages",
    "locator",
    "report",
    "task_scores",
    "detail",
}


@pytest.mark.parametrize("name", [*LISTS, "auth_user"])
def test_a_list_does_not_read_large_columns_that_it_does_not_show(client, name):
    client.force_login(factory.person("root"))
    grow(1)
    table = apps.get_model(name.replace("_", "."))._meta.db_table
    with CaptureQueriesContext(connection) as queries:
        client.get(list_page(name))
    of_list = [each["sql"] for each in queries if f'FROM "{table}"' in each["sql"]]
    assert of_list
    assert not [column for sql in of_list for column in LARGE if f'."{column}"' in sql]


def test_searching_predictions_by_task_reads_the_index(
    viewer, django_assert_max_num_queries
):
    factory.story(predictions=130)
    shown = viewer.get(list_page("audit_prediction"), {"q": "7"}).context["cl"]
    assert {row.task_id for row in shown.result_list} == {7}
    assert "::text" not in str(shown.queryset.query).lower()


def test_paging_by_key_walks_to_the_end_and_back(viewer):
    factory.story(predictions=120)
    first = viewer.get(list_page("audit_prediction")).context["cl"]
    second = viewer.get(list_page("audit_prediction") + first.older_link).context["cl"]
    third = viewer.get(list_page("audit_prediction") + second.older_link).context["cl"]
    walked = [row.pk for cl in (first, second, third) for row in cl.result_list]
    assert walked == list(
        Prediction.objects.order_by("-pk").values_list("pk", flat=True)
    )
    assert third.older is None
    back = viewer.get(list_page("audit_prediction") + third.newer_link).context["cl"]
    assert [r.pk for r in back.result_list] == [r.pk for r in second.result_list]


def test_a_list_estimates_its_length_where_counting_is_expensive(
    viewer, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr("lsml.audit.counting._CHEAP", 0)
    factory.story(predictions=60)
    with django_assert_max_num_queries(QUERIES_MAX) as queries:
        shown = viewer.get(list_page("audit_prediction"), {"outcome": "error"})
    assert not any("COUNT(" in query["sql"] for query in queries.captured_queries)
    assert "≈" in shown.text
