"""The home page."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from lsml.audit import rollups
from lsml.audit.models import Prediction
from lsml.console.pages.home_figures import last_day
from lsml.quality.alarms import reads
from lsml.quality.models import AlarmCheck
from lsml.registry.models import Following
from tests.console import factory

pytestmark = pytest.mark.django_db
QUERIES_MAX = 20


def test_home_names_the_served_version_in_few_queries(
    viewer, django_assert_max_num_queries
):
    factory.alarm(factory.story(predictions=50)["project"])
    with django_assert_max_num_queries(QUERIES_MAX):
        home = viewer.get(reverse("admin:index"))
    assert "Support mail" in home.text
    assert ">v3<" in home.text


def test_home_needs_few_more_queries_if_it_has_to_check_itself(
    viewer, django_assert_max_num_queries
):
    factory.story(predictions=50)
    with django_assert_max_num_queries(QUERIES_MAX + 12):
        viewer.get(reverse("admin:index"))


def test_the_queries_of_home_do_not_depend_on_the_data(viewer):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(reverse("admin:index")).status_code == 200
        return len(captured)

    factory.story(predictions=5)
    few = queries()
    for number in (2, 3):
        factory.history(factory.project("Another", number), predictions=60)
    rollups.count("audit_prediction", "true")
    assert queries() == few


def test_home_adds_up_the_predictions_of_a_day_but_for_shadow_ones():
    now = timezone.now()
    of = factory.project()
    rows = [
        {"at": now, "latency_ms": 3},
        {"at": now, "latency_ms": 300},
        {"at": now, "outcome": "error"},
        {"at": now - timedelta(hours=2), "model_version": "v2"},
        {"at": now - timedelta(hours=2), "kind": "shadow"},
        {"at": now - timedelta(hours=2), "project_pk": None},
        {"at": now - timedelta(hours=30)},
    ]
    Prediction.objects.bulk_create(
        factory.prediction(of, n=n, **row) for n, row in enumerate(rows)
    )
    rollups.count("audit_prediction", "true")
    day = last_day(now)
    assert (day.predictions, day.failed) == ({of.pk: 4}, {of.pk: 1})
    assert {name: sum(hours) for name, hours in day.by_version.items()} == {
        "v1": 4,
        "v2": 1,
    }
    assert day.by_version["v1"][-1] == 3
    assert [hour.total for hour in day.latency[-3:]] == [2, 0, 3]
    assert day.usual_predictions == {of.pk: 1 / 7}


def test_home_without_a_project_shows_the_command_that_connects_one(viewer):
    assert "manage.py connect --url" in viewer.get(reverse("admin:index")).text


def test_home_says_why_label_studio_does_not_follow(viewer):
    Following.objects.create(project=factory.project(), problem="It is away.")
    assert "It is away." in viewer.get(reverse("admin:index")).text


def test_home_warns_about_what_needs_attention(viewer):
    story = factory.story(predictions=100)
    of = story["project"]
    story["latest"].missing_labels = ["Spam"]
    story["latest"].save()
    home = viewer.get("/admin/").text
    assert "The config has lost labels of v3" in home
    assert "1 failed" in home
    assert "only one class" in home
    of.runs.filter(state="running").update(state="succeeded")
    of.inbox.update(received_at=timezone.now() - timedelta(hours=1))
    assert "no run has taken them" in viewer.get("/admin/").text


def test_home_warns_if_the_audit_log_is_not_sealed(viewer, settings):
    of = factory.project()
    row = factory.prediction(of, at=timezone.now() - timedelta(minutes=2))
    Prediction.objects.bulk_create([row])
    home = viewer.get("/admin/").text
    assert "audit log is not being sealed: a row has waited for 12" in home
    settings.AUDIT_SEAL_S = 60
    assert "audit log is not being sealed" not in viewer.get("/admin/").text


def test_home_warns_if_the_served_version_gave_answers_that_do_not_fit(viewer):
    of = factory.project()
    factory.answer_check(of, "v7", checked=9, invalid=9)  # not served
    assert "do not fit" not in viewer.get("/admin/").text
    check = factory.answer_check(of, "0.0.1", checked=500, invalid=12)
    home = viewer.get("/admin/").text
    assert "12 of 500 checked answers of 0.0.1 do not fit the label config" in home
    check.last_invalid_at -= timedelta(hours=25)
    check.save()
    assert "do not fit" not in viewer.get("/admin/").text


def test_home_does_not_warn_about_answers_of_an_archived_project(viewer):
    of = factory.project(archived_at=timezone.now())
    factory.answer_check(of, "0.0.1", checked=500, invalid=12)
    assert "do not fit" not in viewer.get("/admin/").text


def test_home_reads_the_alarms_that_workers_opened(viewer, monkeypatch):
    """It does not check the conditions itself while workers do."""
    factory.alarm(factory.project())
    monkeypatch.setattr(reads, "examine", pytest.fail)
    home = viewer.get("/admin/").text
    assert "Support mail: Run 7 failed: only one class" in home
    assert "Alarms were last checked" not in home


def test_home_shows_what_one_check_has_found(viewer):
    factory.alarm(opened_at=None)
    home = viewer.get("/admin/").text
    assert "Run 7 failed" in home
    assert "Acknowledge" not in home


def test_home_shows_no_alarm_that_cleared(viewer):
    factory.alarm(cleared_at=timezone.now())
    assert "Needs attention" not in viewer.get("/admin/").text


def test_if_no_worker_checks_home_says_so_and_checks_itself(viewer):
    of = factory.project()
    Following.objects.create(project=of, problem="It is away.")
    factory.alarm(sentence="Run 7 failed", subject="over by now")
    AlarmCheck.objects.update(checked_at=timezone.now() - timedelta(minutes=5))
    home = viewer.get("/admin/").text
    assert "Alarms were last checked 5 min ago" in home
    assert "It is away." in home
    assert "Run 7 failed" not in home


def test_home_shows_alarms_that_nobody_acknowledged_first(operator):
    now = timezone.now()
    known = {"acknowledged_at": now, "acknowledged_by": "ana", "subject": "a"}
    factory.alarm(sentence="An old one.", **known)
    factory.alarm(sentence="A new one.")
    home = operator.get("/admin/").text
    assert home.index("A new one.") < home.index("An old one.")
    assert "acknowledged by ana" in home
    assert home.count(">\n                                            Acknowledge") == 1


def test_the_queries_of_home_do_not_depend_on_the_number_of_alarms(viewer):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(reverse("admin:index")).status_code == 200
        return len(captured)

    factory.alarm(factory.project())
    few = queries()
    for number in range(2, 9):
        factory.alarm(factory.project("Another", number))
    assert queries() == few <= QUERIES_MAX
