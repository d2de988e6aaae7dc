"""A drop of live agreement is found, logged once and listed while it lasts."""

from dataclasses import asdict
from datetime import timedelta
from io import StringIO
from itertools import count

import pytest
from celery import current_app
from django.core.management import call_command
from django.utils import timezone
from structlog.testing import capture_logs

from lsml.dataset.agreement import update_agreements
from lsml.dataset.models import Annotation, LiveAgreement
from lsml.quality import tasks
from lsml.quality.live import watching
from lsml.quality.live.watching import drops, watch_agreement
from lsml.quality.models import AgreementWatch
from lsml.quality.statistics.sequential import DropDetector
from tests.db.audit.rows import another_connection
from tests.db.quality.history import choice

pytestmark = pytest.mark.django_db

START = timezone.now() - timedelta(days=30)
USUAL, LOW = [1.0] * 9 + [0.0], [0.0, 0.0, 1.0]


@pytest.fixture
def agree(history):
    """Count annotations with these values, one a minute."""
    numbers = count(1)

    def agree(values, version="0.0.1", at=None, *, withheld=False):
        LiveAgreement.objects.bulk_create(
            LiveAgreement(
                project=history.project,
                annotation_id=number,
                prediction_id=number,
                model_version=version,
                at=at or START + timedelta(minutes=number),
                value=value,
                withheld=withheld,
            )
            for value, number in zip(values, numbers, strict=False)
        )

    return agree


def warnings():
    """Watch, and return what was logged."""
    with capture_logs() as logs:
        watch_agreement()
    return [each["event"] for each in logs if each["log_level"] == "warning"]


def test_a_drop_is_logged_once_and_listed(agree, history):
    agree(USUAL * 60)
    assert warnings() == []
    assert drops() == []
    agree(LOW * 20)
    assert warnings() == ["live agreement dropped"]
    agree(LOW)
    assert warnings() == []
    [drop] = drops()
    assert (drop.project, drop.version) == (history.project, "0.0.1")
    assert drop.usual == pytest.approx(0.9, abs=0.005)
    assert drop.level == pytest.approx(1 / 3, abs=0.05)
    assert drop.annotations == pytest.approx(63, abs=5)
    assert drop.since == pytest.approx(
        START + timedelta(minutes=601), abs=timedelta(minutes=5)
    )


def test_annotations_of_those_who_saw_no_prediction_are_no_drop(agree):
    agree(USUAL * 60)
    watch_agreement()
    agree(LOW * 20, withheld=True)
    assert warnings() == []
    assert not LiveAgreement.objects.filter(watched=False).exists()


def test_a_drop_is_over_when_agreement_is_as_before(agree):
    agree(USUAL * 60 + LOW * 20)
    watch_agreement()
    agree(USUAL * 40)
    watch_agreement()
    assert drops() == []


def test_a_version_that_is_no_longer_served_has_no_drop(agree, history):
    agree(USUAL * 60 + LOW * 20)
    watch_agreement()
    history.project.active_version = history.version(1, "1" * 64, timezone.now())
    history.project.save()
    assert drops() == []


def test_versions_are_watched_apart(agree):
    agree(USUAL * 60, version="v1")
    agree(LOW * 20, version="v2")
    watch_agreement()
    for version, values in (("v1", USUAL * 60), ("v2", LOW * 20)):
        watch = AgreementWatch.objects.get(model_version=version)
        expected = asdict(DropDetector().update(values))
        assert watch.detector == pytest.approx(expected)


def test_each_annotation_is_seen_once_in_rounds(agree, monkeypatch):
    monkeypatch.setattr(watching, "ANNOTATIONS_MAX", 7)
    agree(USUAL * 2)
    for _ in range(5):
        watch_agreement()
    assert AgreementWatch.objects.get().detector["annotations"] == 20


def test_annotations_are_seen_in_the_order_in_which_they_were_made(agree):
    late = START + timedelta(days=20)
    agree(LOW * 20, at=late)
    agree(USUAL * 60)
    watch_agreement()
    assert len(drops()) == 1


def test_an_annotation_that_changes_is_not_seen_again(history):
    history.predict(1, "Refund", created_at=START)
    for label in ("Refund", "Billing"):
        Annotation.objects.update_or_create(
            project=history.project,
            annotation_id=100,
            defaults={
                "task_id": 1,
                "result": choice(label),
                "updated_at": timezone.now(),
            },
        )
        update_agreements(project=history.project, annotation_ids=[100])
        watch_agreement()
    assert LiveAgreement.objects.get().value == 0.0
    assert AgreementWatch.objects.get().detector["annotations"] == 1
    assert AgreementWatch.objects.get().detector["reference"] == 1.0


def test_one_worker_watches_at_a_time(agree):
    agree(USUAL)
    with another_connection() as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [watching._LOCK])
        watch_agreement()
        assert not AgreementWatch.objects.exists()
    watch_agreement()
    assert AgreementWatch.objects.exists()


def test_the_command_prints_a_drop(agree):
    agree(USUAL * 60 + LOW * 20)
    watch_agreement()
    output = StringIO()
    call_command("quality", "--project", "7", stdout=output)
    assert "Live agreement of 0.0.1 fell from 90 % to 3" in output.getvalue()


def test_beat_has_a_worker_watch():
    entries = current_app.conf.beat_schedule.values()
    assert tasks.watch_agreement.name in {each["task"] for each in entries}
