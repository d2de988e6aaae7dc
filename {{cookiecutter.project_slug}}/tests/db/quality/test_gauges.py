"""The quality of served versions in /metrics, read from the database."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest, multiprocess, values
from prometheus_client.parser import text_string_to_metric_families

from lsml.dataset.models import LiveAgreementDay
from lsml.observability.metrics import from_database
from lsml.quality import gauges
from lsml.quality.alarms.reads import alarm_metrics
from lsml.quality.gauges import quality_metrics
from lsml.quality.models import Evaluation
from lsml.quality.statistics.intervals import mean_of_sums
from tests.console import factory

pytestmark = pytest.mark.django_db


def samples(read=quality_metrics):
    families = text_string_to_metric_families(from_database(read).decode())
    return {
        (sample.name.removeprefix("lsml_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name != "lsml_database_up"
    }


def live(of, version, sums, days_ago=0):
    LiveAgreementDay.objects.create(
        project=of,
        model_version=version,
        day=timezone.now().date() - timedelta(days=days_ago),
        sums={"overall": {"": sums}},
    )


@pytest.fixture
def served():
    """A project that serves v2, which was promoted after an evaluation."""
    of = factory.project()
    first, second = factory.version(of), factory.version(of)
    factory.evaluation(first, score=0.8)
    factory.evaluation(second, first, score=0.93)
    factory.promote(of, second, timezone.now())
    return of


def test_the_last_evaluation_of_the_served_version_is_given(served):
    found = samples()
    assert found["held_out_score", "1", "v2"] == 0.93
    assert found["held_out_score_low", "1", "v2"] == pytest.approx(0.88)
    assert found["held_out_score_high", "1", "v2"] == pytest.approx(0.97)
    assert found["held_out_score_tasks", "1", "v2"] == 43
    assert ("held_out_score", "1", "v1") not in found


def test_a_score_in_shadow_is_not_one_on_held_out_tasks(served):
    factory.evaluation(served.active_version, score=0.5, compared_on="shadow")
    assert samples()["held_out_score", "1", "v2"] == 0.93


def test_live_agreement_is_that_of_seven_days_with_its_interval(served):
    live(served, "v2", [10, 8, 8])
    live(served, "v2", [10, 10, 10], days_ago=6)
    live(served, "v2", [10, 0, 0], days_ago=7)
    live(served, "v1", [10, 0, 0])
    found = samples()
    names = ("live_agreement", "live_agreement_low", "live_agreement_high")
    values = [found[name, "1", "v2"] for name in names]
    assert values == pytest.approx(mean_of_sums(20, 18, 18))
    assert found["live_agreement_annotations", "1", "v2"] == 20
    assert ("live_agreement", "1", "v1") not in found


def test_an_untrained_model_has_live_agreement_only():
    live(factory.project(), "0.0.1", [4, 3, 3])
    found = samples()
    assert found["live_agreement", "1", "0.0.1"] == 0.75
    assert not [key for key in found if key[0].startswith("held_out")]


def test_what_was_not_measured_is_left_out():
    factory.project()
    assert samples() == {("version_held_back", "1"): 0, ("versions_total", "1"): 0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"policy": "manual"}, 0),
        ({"verdict": "passed"}, 0),
    ],
)
def test_a_version_that_was_held_back_last_is_told(served, changes, expected):
    candidate = factory.version(served)
    facts = {"verdict": "held back", "promoted": False} | changes
    factory.evaluation(candidate, **facts)
    assert samples()["version_held_back", "1"] == expected


def test_a_version_that_a_person_promoted_is_not_held_back(served):
    candidate = factory.version(served)
    factory.evaluation(candidate, verdict="held back", promoted=False)
    factory.promote(served, candidate, timezone.now())
    assert samples()["version_held_back", "1"] == 0


def test_an_evaluation_that_goes_on_changes_nothing(served):
    candidate = factory.version(served)
    factory.evaluation(candidate, verdict="held back", promoted=False)
    again = factory.evaluation(candidate, verdict="", report={})
    Evaluation.objects.filter(pk=again.pk).update(state="running")
    assert samples()["version_held_back", "1"] == 1


def test_archived_projects_and_reused_ids_make_no_second_series(served):
    factory.project("Gone", 2, archived_at=timezone.now())
    of = factory.project("Newer", 3)
    of.pk, of.created_stamp, of.title = None, of.created_stamp + 1, "Newest"
    of.save()
    live(of, "0.0.1", [1, 1, 1])
    found = samples()
    assert {key[1] for key in found} == {"1", "3"}
    assert found["live_agreement", "3", "0.0.1"] == 1.0


def test_they_are_one_statement_however_many_projects(
    served, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(gauges, "_PROJECTS_MAX", 2)
    for number in range(2, 6):
        factory.project(labelstudio_id=number)
    with django_assert_num_queries(1):
        assert {key[1] for key in samples()} == {"4", "5"}


@pytest.mark.parametrize("read", [quality_metrics, alarm_metrics])
def test_no_process_keeps_what_the_database_knows(served, read, tmp_path, monkeypatch):
    """It would be reported twice, also after the process was killed."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())
    assert samples(read)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=str(tmp_path))
    assert generate_latest(registry) == b""


def test_metrics_has_them(api, served):
    lines = api.get("/metrics").text.splitlines()
    assert 'lsml_held_out_score{project="1",version="v2"} 0.93' in lines
