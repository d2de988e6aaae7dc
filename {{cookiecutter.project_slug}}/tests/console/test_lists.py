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


def test_every_empty_list_opens(viewer):
    statuses = {name: viewer.get(list_page(name)).status_code for name in LISTS}
    assert statuses == dict.fromkeys(LISTS, 200)


def grow(number):
    """Add a project with rows in every list but that of the seals."""
    of = factory.project("Another", number)
    factory.history(of, predictions=20)
    job_states.job("prediction", "succeeded", of)
    job_states.job("audit", "succeeded")
    factory.alarm(of)
    factory.person(f"person{number}", "viewer")


def queries_by_rows(client, name, monkeypatch):
    """Return how many queries the list needs to show few rows, and many."""
    shown = admin.site.get_model_admin(apps.get_model(name.replace("_", ".")))
    found = {}
    for size in (1, 50):
        monkeypatch.setattr(shown, "list_per_page", size)
        with CaptureQueriesContext(connection) as queries:
            changes = client.get(list_page(name)).context["cl"]
        found[len(changes.result_list)] = len(queries)
    return found


def test_every_list_opens_in_few_queries_however_many_rows_it_shows(
    client, monkeypatch
):
    client.force_login(factory.person("root"))
    for number in (1, 2):
        grow(number)
    for name in [*LISTS, "auth_user"]:
        found = queries_by_rows(client, name, monkeypatch)
        assert len(set(found.values())) == 1, (name, found)
        assert max(found.values()) <= QUERIES_MAX, (name, found)
        assert len(found) == 2 or name == "audit_seal", (name, found)


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


def test_no_list_reads_large_columns_that_it_does_not_show(client):
    client.force_login(factory.person("root"))
    grow(1)
    for name in [*LISTS, "auth_user"]:
        table = apps.get_model(name.replace("_", "."))._meta.db_table
        with CaptureQueriesContext(connection) as queries:
            client.get(list_page(name))
        of_list = [each["sql"] for each in queries if f'FROM "{table}"' in each["sql"]]
        assert of_list, name
        read = {column for sql in of_list for column in LARGE if f'."{column}"' in sql}
        assert not read, name


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
