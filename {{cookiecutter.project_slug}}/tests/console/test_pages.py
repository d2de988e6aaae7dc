"""Every page opens, says what it must, and asks few questions of the database."""

import pytest
from django.urls import reverse

from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.dataset.models import Annotation, Task
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.training.models import TrainingRun
from tests.console import factory
from tests.console.addresses import detail_page, list_page, page

pytestmark = pytest.mark.django_db
QUERIES_MAX = 15
LISTS = [
    "registry_project",
    "registry_modelversion",
    "registry_promotion",
    "registry_stateitem",
    "training_trainingrun",
    "inference_predictionjob",
    "audit_prediction",
    "audit_webhookevent",
    "audit_auditentry",
    "audit_seal",
    "audit_auditjob",
    "dataset_task",
    "dataset_annotation",
    "dataset_agreement",
]
DETAILS = [
    Project,
    ModelVersion,
    Promotion,
    TrainingRun,
    Prediction,
    WebhookEvent,
    AuditEntry,
    Task,
    Annotation,
]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_opens_in_few_queries_however_many_rows_it_shows(
    viewer, name, django_assert_max_num_queries
):
    factory.story(predictions=120)
    with django_assert_max_num_queries(QUERIES_MAX):
        assert viewer.get(list_page(name)).status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_opens(viewer, name):
    assert viewer.get(list_page(name)).status_code == 200


@pytest.mark.parametrize("model", DETAILS, ids=lambda model: model.__name__)
def test_a_detail_page_opens_in_few_queries(
    viewer, model, django_assert_max_num_queries
):
    factory.story(predictions=120)
    row = model.objects.order_by("-pk").first()
    with django_assert_max_num_queries(QUERIES_MAX):
        assert viewer.get(detail_page(row)).status_code == 200


def test_home_names_the_served_version_and_asks_few_questions(
    viewer, django_assert_max_num_queries
):
    factory.story(predictions=50)
    with django_assert_max_num_queries(QUERIES_MAX):
        home = viewer.get(reverse("admin:index"))
    assert "Support mail" in home.text
    assert ">v3<" in home.text


def test_home_without_a_project_tells_the_command_that_connects_one(viewer):
    assert "manage.py connect --url" in viewer.get(reverse("admin:index")).text


def test_no_page_offers_to_add_change_or_delete_an_audit_row(client):
    client.force_login(factory.person("root"))
    factory.story(predictions=5)
    row = Prediction.objects.first()
    assert client.get(reverse("admin:audit_prediction_add")).status_code == 403
    gone = client.post(reverse("admin:audit_prediction_delete", args=[row.pk]))
    assert gone.status_code == 403
    client.post(detail_page(row), {"score": "1"})
    assert Prediction.objects.get(pk=row.pk).score == row.score


@pytest.mark.django_db(transaction=True)  # it loads in a thread of its own
def test_promoting_asks_for_a_reason_and_records_who_gave_it(operator, constant):
    of = factory.story(predictions=1)["project"]
    first = of.versions.get(version="v1")
    address = page("promote", of.pk) + "?version=v1"
    assert "Will serve" in operator.get(address).text
    assert operator.post(address, {"reason": ""}).status_code == 200
    of.refresh_from_db()
    assert of.active_version != first
    operator.post(address, {"reason": "v3 forgot a label"})
    of.refresh_from_db()
    assert of.active_version == first
    last = of.promotions.order_by("-pk").first()
    assert (last.actor, last.reason) == ("olga", "v3 forgot a label")


@pytest.mark.django_db(transaction=True)  # it loads in a thread of its own
def test_rolling_back_serves_what_was_served_before(operator, constant):
    of = factory.story(predictions=1)["project"]
    address = page("roll_back", of.pk)
    operator.post(address, {"reason": "worse"})
    of.refresh_from_db()
    assert of.active_version.version == "v2"


def test_a_viewer_sees_no_button_and_is_refused_by_the_server(viewer):
    of = factory.story(predictions=1)["project"]
    address = page("promote", of.pk) + "?version=v1"
    assert "Promote" not in viewer.get(detail_page(of)).text.replace("Promotions", "")
    assert viewer.get(address).status_code == 403
    assert viewer.post(address, {"reason": "please"}).status_code == 403
    of.refresh_from_db()
    assert of.active_version.version == "v3"


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


def test_a_list_counts_no_rows_where_counting_is_not_cheap(
    viewer, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr("lsml.audit.counting._CHEAP", 0)
    factory.story(predictions=60)
    with django_assert_max_num_queries(QUERIES_MAX) as asked:
        shown = viewer.get(list_page("audit_prediction"), {"outcome": "error"})
    assert not any("COUNT(" in query["sql"] for query in asked.captured_queries)
    assert "≈" in shown.text


def test_a_login_refused_and_a_login_are_deeds(client):
    factory.person("vera", "viewer")
    for password in ("wrong", "test-password"):
        client.post(reverse("admin:login"), {"username": "vera", "password": password})
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == [
        "login refused",
        "logged in",
    ]


def test_five_wrong_passwords_make_the_name_wait_even_for_the_right_one(client):
    factory.person("vera", "viewer")
    login = reverse("admin:login")
    wrong = {"username": "vera", "password": "wrong"}
    assert [client.post(login, wrong).status_code for _ in range(5)][-1] == 429
    right = client.post(login, wrong | {"password": "test-password"})
    assert right.status_code == 429
    assert "_auth_user_id" not in client.session


def test_every_page_of_the_admin_forbids_inline_code(viewer):
    policy = viewer.get(reverse("admin:index"))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
