"""Pages, list, fragment and buttons of jobs: the same for every kind."""

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.console.progress import amount_done, pace
from tests.console import factory, job_states
from tests.console.addresses import detail_page, list_page, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notifications")]
LISTS = {
    "training": "training_trainingrun",
    "prediction": "inference_predictionjob",
    "evaluation": "quality_evaluation",
    "audit": "audit_auditjob",
}
AMOUNTS = {
    "training": "40 %",
    "prediction": "60 / 150 tasks",
    "evaluation": "60 / 150 predictions",
    "audit": "60 / 150 rows",
}
ENDED = ("cancelled", "failed", "succeeded")
each_kind = pytest.mark.parametrize("kind", job_states.KINDS)
each_state = pytest.mark.parametrize("state", job_states.STATES)


@pytest.fixture
def olga(client):
    """An operator, who may work with jobs of every kind."""
    client.force_login(factory.person("olga", "operator"))
    return client


def fragment(client, kind, job):
    return client.get(page("job_progress", kind, job.pk)).text


def words(text):
    """Return what a person reads, without markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@each_kind
@each_state
def test_the_page_opens_and_names_the_state(olga, kind, state):
    job = job_states.job(kind, state)
    shown = olga.get(detail_page(job))
    assert shown.status_code == 200
    assert f">{state}</span>" in shown.text
    assert state in shown.context["title"]


@each_kind
@each_state
def test_page_list_and_fragment_show_the_same_amount(olga, kind, state):
    job = job_states.job(kind, state)
    amount = amount_done(job)
    texts = {
        "page": olga.get(detail_page(job)).text,
        "list": olga.get(list_page(LISTS[kind])).text,
        "fragment": fragment(olga, kind, job),
    }
    for text in texts.values():
        # Without the figures of an evaluation, which are percentages as well.
        shares = r"|\d+ %" if kind == "training" else ""
        found = set(re.findall(rf"\d+ / \d+ \w+{shares}", words(text)))
        assert found == {amount}


@each_kind
def test_a_cancelled_job_shows_what_was_done(olga, kind):
    job = job_states.job(kind, "cancelled")
    assert AMOUNTS[kind] in words(fragment(olga, kind, job))


@each_kind
@each_state
def test_the_fragment_polls_only_while_the_job_is_active(olga, kind, state):
    text = fragment(olga, kind, job_states.job(kind, state))
    assert ("data-poll" in text) == (state not in ENDED)


@each_kind
@each_state
def test_the_bar_is_as_long_as_the_progress(olga, kind, state):
    job = job_states.job(kind, state)
    value = re.search(r'<progress max="1" value="([\d.]+)"', fragment(olga, kind, job))
    assert float(value[1]) == job.progress


@each_kind
def test_a_running_job_shows_the_time_elapsed_and_left(olga, kind):
    text = words(fragment(olga, kind, job_states.job(kind, "running")))
    assert re.search(r"3\d s elapsed", text)
    assert re.search(r"about 4\d s left", text)


@each_kind
def test_an_ended_job_has_no_pace(kind):
    assert pace(job_states.job(kind, "cancelled")) is None


@pytest.mark.parametrize("kind", ["prediction", "evaluation", "audit"])
def test_the_rate_counts_only_what_this_attempt_did(kind):
    job = job_states.job(kind, "running")
    job.started_at = timezone.now() - timedelta(seconds=10)
    job.done_before = 40
    now = pace(job)
    assert float(now.rate) == pytest.approx(2, rel=0.1)
    assert now.left.total_seconds() == pytest.approx(45, rel=0.1)


@each_kind
def test_log_and_error_of_a_failed_job_are_shown(olga, kind):
    shown = words(olga.get(detail_page(job_states.job(kind, "failed"))).text)
    assert "12:00:00 started" in shown
    assert shown.count(job_states.ERROR) == 1


@each_kind
def test_cancelling_requires_a_reason_and_records_it(olga, kind):
    job = job_states.job(kind, "running")
    olga.post(page("cancel", kind, job.pk), {"reason": ""})
    job.refresh_from_db()
    assert job.cancel_requested_at is None
    olga.post(page("cancel", kind, job.pk), {"reason": "wrong data"})
    job.refresh_from_db()
    assert (job.cancel_requested_by, job.cancel_reason) == ("olga", "wrong data")
    entry = AuditEntry.objects.get(verb__endswith="cancelled")
    assert (entry.actor, entry.reason) == ("olga", "wrong data")
    assert "cancellation requested" in fragment(olga, kind, job)
    assert "wrong data" in olga.get(detail_page(job)).text


@each_kind
def test_a_queued_job_is_cancelled_at_once(olga, kind):
    job = job_states.job(kind, "queued")
    shown = olga.post(page("cancel", kind, job.pk), {"reason": "enough"}, follow=True)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert "Try again" in shown.text
    assert page("cancel", kind, job.pk) not in shown.text


@each_kind
@pytest.mark.parametrize("state", ENDED)
def test_cancelling_an_ended_job_changes_nothing_and_says_so(olga, kind, state):
    job = job_states.job(kind, state)
    shown = olga.post(page("cancel", kind, job.pk), {"reason": "late"}, follow=True)
    job.refresh_from_db()
    assert job.state == state
    assert "cannot become cancelled" in shown.text
    assert not AuditEntry.objects.filter(verb__endswith="cancelled").exists()


@each_kind
@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_retrying_opens_the_page_of_a_new_job(olga, kind, state):
    job = job_states.job(kind, state)
    shown = olga.post(page("retry", kind, job.pk), follow=True)
    fresh = type(job).objects.latest("pk")
    assert (fresh.state, fresh.requested_by) == ("queued", "olga")
    assert fresh.pk != job.pk
    assert shown.redirect_chain[-1][0] == detail_page(fresh)
    assert "is waiting for a worker" in shown.text


@each_kind
@each_state
def test_the_page_offers_the_one_action_that_is_possible(olga, kind, state):
    job = job_states.job(kind, state)
    shown = olga.get(detail_page(job)).text
    assert (page("cancel", kind, job.pk) in shown) == (state not in ENDED)
    assert (page("retry", kind, job.pk) in shown) == (state in {"cancelled", "failed"})


@each_kind
@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_a_viewer_may_read_a_job_but_not_change_it(viewer, kind, action):
    job = job_states.job(kind, "failed" if action == "retry" else "running")
    shown = viewer.get(detail_page(job))
    assert shown.status_code == 200
    assert page(action, kind, job.pk) not in shown.text
    answer = viewer.post(page(action, kind, job.pk), {"reason": "please"})
    assert answer.status_code == 403


def test_the_list_of_bulk_predictions_counts_tasks(olga):
    job_states.job("prediction", "cancelled")
    shown = words(olga.get(list_page("inference_predictionjob")).text)
    assert "60 / 150 tasks" in shown
    assert "0.4" not in shown


def test_the_list_of_bulk_predictions_shows_failed_tasks_but_does_not_sort_by_them(
    olga,
):
    job = job_states.job("prediction", "succeeded")
    job.failed = 1_234
    job.save()
    shown = olga.get(list_page("inference_predictionjob"))
    assert "1,234" in words(shown.text)
    assert shown.context["cl"].get_ordering_field("failed_") is None


def test_a_kind_that_does_not_exist_is_not_found(olga):
    assert olga.get(page("job_progress", "cooking", 1)).status_code == 404


def test_a_bulk_prediction_says_what_became_of_the_tasks_and_names_problems(olga):
    job = job_states.job("prediction", "succeeded")
    job.predicted, job.sent, job.invalid = 150, 149, 1
    job.save()
    job.problems.create(task_id=7, kind="invalid", reason="No label <Wrong>")
    shown = olga.get(detail_page(job)).text
    assert "Sent to Label Studio 149" in words(shown)
    assert "Task 7: invalid: No label <Wrong>" in words(shown)
    assert f"/api/v1/prediction-problems?job={job.pk}&amp;format=csv" in shown
