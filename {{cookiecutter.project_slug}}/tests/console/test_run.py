"""The page of a training run."""

import pytest

from lsml.training.models import InboxEntry, TrainingRun
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


def test_the_events_that_fit_failed_on_are_shown_and_retried(operator):
    story = factory.story(predictions=1)
    TrainingRun.objects.filter(pk=story["running"].pk).update(state="cancelled")
    run = story["runs"][-1]
    failed = run.events.order_by("event_id").first()
    run.events.filter(pk=failed.pk).update(error="KeyError: <annotation>")
    shown = operator.get(detail_page(run)).text
    assert "Events that fit() failed on (1)" in shown
    assert "KeyError: &lt;annotation&gt;" in shown
    operator.post(page("retry", "training", run.pk))
    assert InboxEntry.objects.get(event_id=failed.event_id).held
    assert TrainingRun.objects.filter(trigger="retry", requested_by="olga").exists()
    shown = operator.get(detail_page(run)).text
    assert "Retry failed events" not in shown
    assert "· retried" in shown
