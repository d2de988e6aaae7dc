"""What people do with the console, by mouse and keyboard."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from lsml.jobs.kinds import kind_named
from lsml.training.models import TrainingRun
from tests.console import factory, job_states, shapes
from tests.console.addresses import detail_page, list_page, page


def test_a_newcomer_logs_in_and_finds_the_active_version(desk, story):
    factory.person("nora", "viewer")
    seat = desk(logged_in=False)
    shown = seat.open(reverse("admin:index"))
    shown.get_by_label("Username").fill("nora")
    shown.locator("#id_password").fill("test-password")
    shown.get_by_role("button", name=re.compile("Log in")).click()
    card = shown.get_by_role("region", name="Support mail")
    expect(card.get_by_role("link", name="v3")).to_be_visible()


def test_a_newcomer_opens_a_prediction_and_sees_the_spans_drawn(desk, story):
    shapes.drawn_predictions()
    seat = desk("viewer")
    shown = seat.open(list_page("audit_prediction") + "?q=901")
    shown.locator("#result_list tbody a").first.click()
    # The first one: an annotation with the same spans may be drawn next to it.
    expect(shown.locator("mark", has_text="Ada Lovelace").first).to_be_visible()
    expect(shown.locator("mark", has_text="Analytics").first).to_be_visible()


def test_the_bar_of_a_running_training_moves_and_stops_at_its_end(desk, story):
    seat = desk("viewer")
    shown = seat.open(detail_page(story["running"]))
    bar = shown.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", "0.4")
    runs = TrainingRun.objects.filter(pk=story["running"].pk)
    runs.update(progress=0.8, message="epoch 8 of 10")
    expect(bar).to_have_attribute("value", "0.8", timeout=5000)
    expect(shown.get_by_text("epoch 8 of 10")).to_be_visible()
    runs.update(progress=1, state="succeeded", finished_at=timezone.now())
    expect(shown.locator("[data-poll]")).to_have_count(0, timeout=5000)


def test_a_hidden_tab_requests_nothing(desk, story):
    seat = desk("viewer")
    shown = seat.open(detail_page(story["running"]))
    shown.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    shown.wait_for_timeout(2500)  # an answer that was already on its way
    requests = []
    shown.on("request", lambda request: requests.append(request.url))
    shown.wait_for_timeout(3000)
    assert requests == []


def test_an_operator_cancels_a_run_with_a_reason(desk, story):
    seat = desk("operator")
    shown = seat.open(detail_page(story["running"]))
    shown.get_by_role("link", name="Cancel").click()
    shown.get_by_label("Reason").fill("wrong labels")
    shown.get_by_role("button", name="Cancel the job").click()
    expect(shown.get_by_text("Cancellation requested.")).to_be_visible()
    expect(shown.get_by_text("· cancellation requested")).to_be_visible()
    story["running"].refresh_from_db()
    assert story["running"].cancel_reason == "wrong labels"


@pytest.mark.parametrize("kind", job_states.KINDS)
def test_an_operator_cancels_a_queued_job_and_tries_again(desk, kind, notifications):
    job = job_states.job(kind, "queued")
    seat = desk("operator")
    shown = seat.open(detail_page(job))
    shown.get_by_role("link", name="Cancel").click()
    shown.get_by_label("Reason").fill("too early")
    shown.get_by_role("button", name="Cancel the job").click()
    expect(shown.get_by_text("too early")).to_be_visible()
    expect(shown.locator("[data-poll]")).to_have_count(0)
    shown.get_by_role("button", name="Try again").click()
    expect(shown.get_by_text("(queued) is waiting for a worker")).to_be_visible()
    expect(shown.get_by_role("link", name="Cancel")).to_be_visible()
    fresh = type(job).objects.latest("pk")
    assert shown.url.endswith(detail_page(fresh))
    assert (kind_named(kind).task, fresh.pk) in notifications


@pytest.mark.parametrize("kind", job_states.KINDS)
def test_the_page_of_a_job_is_right_once_the_job_has_ended(desk, kind):
    job = job_states.job(kind, "running")
    seat = desk("operator")
    shown = seat.open(detail_page(job))
    expect(shown.get_by_role("link", name="Cancel")).to_be_visible()
    ended = {"state": "failed", "finished_at": timezone.now(), "error": "out of memory"}
    type(job).objects.filter(pk=job.pk).update(**ended)
    expect(shown.get_by_role("heading", level=1)).to_contain_text("failed")
    expect(shown.get_by_text("out of memory")).to_be_visible()
    expect(shown.get_by_role("button", name="Try again")).to_be_visible()
    expect(shown.get_by_role("link", name="Cancel")).to_have_count(0)


def test_an_operator_promotes_with_a_reason_and_rolls_back(desk, story, constant):
    seat = desk("operator")
    shown = seat.open(detail_page(story["project"]))
    shown.get_by_role("link", name="Promote v1").click()
    expect(shown.get_by_text("Will serve")).to_be_visible()
    shown.get_by_label("Reason").fill("v3 is overconfident")
    shown.get_by_role("button", name="Promote v1").click()
    expect(shown.get_by_text("All processes serve v1")).to_be_visible()
    shown.get_by_role("link", name="Roll back").click()
    shown.get_by_label("Reason").fill("v3 was fine")
    shown.get_by_role("button", name="Roll back").click()
    expect(shown.get_by_text("All processes serve v3")).to_be_visible()


def test_the_timeline_is_filtered(desk, story):
    seat = desk("viewer")
    shown = seat.open(page("timeline", story["project"].pk))
    shown.locator("select[name=kind]").select_option("promotion")
    expect(shown).to_have_url(re.compile("kind=promotion"))
    expect(shown.locator(".c-entry-promotion")).to_have_count(3)
    expect(shown.locator(".c-entry-event")).to_have_count(0)


def test_an_auditor_exports_a_list(desk, story):
    seat = desk("auditor")
    shown = seat.open(list_page("audit_webhookevent"))
    with shown.expect_download() as download:
        shown.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "webhookevent.csv"
    seat.complaints.clear()  # a download counts as an aborted navigation


def test_a_viewer_finds_no_button_that_changes_anything(desk, story):
    seat = desk("viewer")
    for row in (story["project"], story["latest"], story["running"]):
        shown = seat.open(detail_page(row))
        for name in ("Promote", "Roll back", "Cancel", "Train now", "Pause training"):
            expect(shown.get_by_role("link", name=name)).to_have_count(0)
            expect(shown.get_by_role("button", name=name)).to_have_count(0)


def test_times_are_in_the_persons_zone_with_utc_on_hover(desk):
    at = timezone.now().replace(hour=12, minute=0, second=0) - timedelta(days=1)
    factory.prediction(factory.project(), at=at).save()
    seat = desk("viewer")  # in Berlin
    cell = seat.open(list_page("audit_prediction")).locator("#result_list time").first
    assert "12:00:00" in cell.get_attribute("title")
    assert "UTC" in cell.get_attribute("title")
    assert not re.search(r"\b12:00:00", cell.inner_text())


def test_dark_mode_is_chosen_and_kept(desk, story):
    seat = desk("viewer", color_scheme="light")
    shown = seat.open(reverse("admin:index"))
    shown.get_by_text("viewer", exact=True).click()
    shown.get_by_role("button", name="Dark").click()
    expect(shown.locator("html")).to_have_class(re.compile("dark"))
    seat.open(reverse("admin:index"))
    expect(shown.locator("html")).to_have_class(re.compile("dark"))


def test_an_admin_adds_a_user_and_changes_the_role(desk):
    seat = desk("admin")
    shown = seat.open(reverse("admin:auth_user_changelist"))
    shown.get_by_role("link", name="Add", exact=True).click()
    shown.get_by_label("Username").fill("nora")
    shown.get_by_label("Password", exact=False).first.fill("a-long-pass-phrase")
    shown.locator("#id_password2").fill("a-long-pass-phrase")
    shown.get_by_role("button", name="Save", exact=True).click()
    expect(shown.get_by_text("was added successfully")).to_be_visible()
    shown.get_by_label("First name").fill("Nora")
    shown.locator("#id_is_staff").check()
    shown.locator("#id_groups").select_option(label="viewer")
    shown.get_by_role("button", name="Save", exact=True).click()
    expect(shown.get_by_text("was changed successfully")).to_be_visible()
    nora = User.objects.get(username="nora")
    assert nora.check_password("a-long-pass-phrase")
    assert (nora.first_name, nora.is_staff) == ("Nora", True)
    assert [group.name for group in nora.groups.all()] == ["viewer"]
