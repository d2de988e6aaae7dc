"""The page of a project begins with how good its versions are on held-out tasks."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lsml.dataset.models import Annotation
from lsml.quality.models import Evaluation
from lsml.registry.models import ModelVersion
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db
FELL = "recall of Negative fell from 81 % to 62 % on 43 tasks"


def shown(client, row):
    """What a person reads on the row's page, without markup."""
    return words(client.get(detail_page(row)))


def words(answer):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@pytest.fixture
def served(db):
    """A project whose v2 was promoted with an evaluation against v1."""
    of = factory.project()
    first = factory.version(of, held_out_tasks=43)
    second = factory.version(of, held_out_tasks=43)
    factory.evaluation(second, first, score=0.93, before=0.85)
    factory.promote(of, second, second.created_at)
    return of


def newer(of, **facts):
    """An evaluation of a newer version than the served one."""
    made = factory.version(of, held_out_tasks=43)
    return factory.evaluation(made, of.active_version, **facts)


def held_back(of, **facts):
    return newer(
        of, **{"verdict": "held back", "promoted": False, "reason": FELL} | facts
    )


def test_the_served_version_is_shown_beside_the_one_before_with_intervals(
    viewer, served
):
    text = shown(viewer, served)
    assert "v2, serving 93 % (88–97 %)" in text
    assert "v1, before 85 % (80–89 %)" in text
    assert "Held-out tasks 43" in text


def test_the_labels_annotated_most_are_compared(viewer, served):
    text = shown(viewer, served)
    assert "Positive 20 83 % (75–89 %) 91 % (83–97 %) +8 points" in text
    report = served.evaluations.get().report
    many = [f"Label {n}" for n in range(30)]
    report["versions"][0] = factory.figures("v2", 0.93, many)
    served.evaluations.update(report=report)
    text = shown(viewer, served)
    assert "Label 7" in text
    assert "Label 8" not in text


def test_a_promotion_by_the_policy_is_said_with_its_reason(viewer, served):
    assert "v2 promoted 85 % → 93 % on 43 held-out tasks" in shown(viewer, served)


def test_a_version_held_back_is_said_with_the_reason_and_a_link(viewer, served):
    found = held_back(served)
    assert f"v3 held back {FELL}" in shown(viewer, served)
    assert detail_page(found) in viewer.get(detail_page(served)).text
    assert "v2, serving 93 %" in shown(viewer, served)


def test_a_version_held_back_and_promoted_by_a_person_is_said_so(viewer, served):
    found = held_back(served)
    assert "promoted nevertheless" not in shown(viewer, served)
    factory.promote(served, found.version, found.created_at)
    assert "It was promoted nevertheless" in shown(viewer, served)


def test_a_version_that_was_rolled_back_is_said_with_the_reason(viewer, served):
    first, second = served.versions.order_by("number")
    factory.promote(served, first, timezone.now())
    assert "v2 rolled back the run succeeded" in shown(viewer, served)
    factory.promote(served, second, timezone.now() + timedelta(seconds=1))
    assert "v2 rolled back" not in shown(viewer, served)


def test_a_version_that_must_pass_in_shadow_is_said_so_with_the_way_to_its_figures(
    operator, served
):
    found = newer(served, promoted=False, in_shadow_until=timezone.now())
    assert "v3 in shadow 83 % → 90 % on 43 held-out tasks" in shown(operator, served)
    address = page("shadow", found.version.pk)
    assert address in operator.get(detail_page(served)).text


def test_a_viewer_who_may_not_open_the_figures_gets_no_link_to_them(viewer, served):
    found = newer(served, promoted=False, in_shadow_until=timezone.now())
    text = viewer.get(detail_page(served)).text
    assert page("shadow", found.version.pk) not in text


def test_a_verdict_in_shadow_is_the_latest_one_and_no_figure_on_held_out_tasks(
    viewer, served
):
    made = served.active_version
    factory.evaluation(made, made.parent, score=0.5, before=0.4, compared_on="shadow")
    text = shown(viewer, served)
    assert "v2 promoted 40 % → 50 %" in text
    assert "v2, serving 93 % (88–97 %)" in text
    chart = viewer.get(detail_page(served)).context["quality"]["chart"]
    assert "Score: 93 %" in chart
    assert "50 %" not in chart
    answer = viewer.get(page("compare", made.pk), {"with": "v1"})
    assert "v1 85 % (80–89 %) v2 93 %" in words(answer)
    assert "in shadow promoted 50 %" in shown(viewer, made)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("always", "The policy promotes every new version."),
        ("manual", "The policy leaves every promotion to people."),
    ],
)
def test_a_policy_that_does_not_compare_says_what_it_does(
    viewer, served, policy, words
):
    found = held_back(served, policy=policy)
    assert f"v3 did not pass {FELL}. {words}" in shown(viewer, served)
    assert f"did not pass {FELL} {words}" in shown(viewer, found)


def test_too_few_tasks_are_said_once(viewer, served):
    few = "15 held-out tasks are too few to tell (20 needed)"
    newer(served, verdict="too few tasks", promoted=False, reason=few)
    text = shown(viewer, served)
    assert f"v3 not judged {few}" in text
    assert text.count("too few") == 1


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"state": "running", "done": 12}, "12 / 86 predictions"),
        ({"state": "queued", "total": 0}, "waiting for a worker"),
    ],
)
def test_an_evaluation_that_goes_on_is_shown_with_its_progress(
    viewer, served, columns, words
):
    newer(served, verdict="", reason="", promoted=False, **columns)
    text = shown(viewer, served)
    assert "v3 is being evaluated" in text
    assert words in text
    assert "v2, serving 93 %" in text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"state": "failed", "error": "It is away."}, "evaluation failed: It is away."),
        ({"state": "cancelled", "cancel_reason": "late"}, "was cancelled: late"),
    ],
)
def test_an_evaluation_without_a_verdict_can_be_tried_again(
    operator, served, columns, words
):
    found = newer(served, verdict="", reason="", promoted=False, **columns)
    assert words in shown(operator, served)
    address = page("retry", "evaluation", found.pk)
    assert address in operator.get(detail_page(served)).text
    operator.post(address)
    assert found.version.evaluations.latest("pk").state == "queued"
    assert address not in operator.get(detail_page(served)).text


def test_a_viewer_is_not_offered_to_try_again(viewer, served):
    newer(served, state="failed", verdict="", error="It is away.")
    assert "Try again" not in shown(viewer, served)


def test_the_score_of_each_version_is_charted_with_its_interval(viewer, served):
    held_back(served, score=0.7)
    again = served.versions.get(version="v2")
    factory.evaluation(again, again.parent, score=0.95)
    chart = viewer.get(detail_page(served)).context["quality"]["chart"]
    assert "Score: 95 % (90 % to 99 %)" in chart
    assert "Score: 70 % (65 % to 74 %)" in chart
    assert "93 %" not in chart
    assert chart.count("c-star") == 1
    assert chart.count("c-whisker") == 2


def test_a_served_version_without_an_evaluation_is_said_so(viewer, served):
    first = served.versions.get(version="v1")
    factory.promote(served, first, first.created_at)
    assert "v1 serves. It was not evaluated itself." in shown(viewer, served)


@pytest.mark.parametrize(
    ("annotated", "words"),
    [
        (0, "0 annotated tasks: versions are compared from 30 on"),
        (1, "1 annotated task: versions are compared from 30 on"),
        (29, "29 annotated tasks: versions are compared from 30 on"),
        (60, "No version yet. Each new one is compared with the served one."),
    ],
)
def test_a_project_without_evaluations_says_what_is_missing(viewer, annotated, words):
    of = factory.project()
    factory.known(of, of.created_at)
    spare = Annotation.objects.filter(project=of)[annotated:]
    Annotation.objects.filter(pk__in=[row.pk for row in spare]).delete()
    text = shown(viewer, of)
    assert words in text
    assert "not evaluated itself" not in text


def test_versions_that_were_not_evaluated_are_explained(viewer):
    of = factory.project()
    factory.known(of, of.created_at)
    made = factory.version(of)
    assert "No tasks were held out when v1 was trained" in shown(viewer, of)
    ModelVersion.objects.filter(pk=made.pk).update(held_out_tasks=9)
    assert "v1 has not been evaluated yet" in shown(viewer, of)
    of.holdout_percent = 0
    of.save()
    assert "The policy holds out no tasks" in shown(viewer, of)


def test_a_version_in_shadow_is_shown_without_another_query(
    viewer, served, django_assert_num_queries
):
    with CaptureQueriesContext(connection) as before:
        assert "v3 in shadow" not in shown(viewer, served)
    made = factory.version(served)
    served.shadow_version, served.shadow_percent = made, 30
    served.save()
    with django_assert_num_queries(len(before)):
        text = shown(viewer, served)
    assert "v3 in shadow It predicts 30 % of the tasks in the background" in text


def test_many_evaluations_cost_no_more_queries(
    viewer, served, django_assert_max_num_queries
):
    for _ in range(5):
        held_back(served)
    with django_assert_max_num_queries(15):
        viewer.get(detail_page(served))


# --- The page of a version, its promotion, and the comparison ---


def test_a_version_lists_its_evaluations(viewer, served):
    found = held_back(served, score=0.7)
    text = shown(viewer, found.version)
    assert f"#{found.pk} held back 70 % (65–74 %) 43 v2 {FELL}" in text


def test_metrics_of_the_model_are_named_as_its_own(viewer, served):
    text = shown(viewer, served.active_version)
    assert "Metrics reported by the model" in text
    assert "Confusion matrix reported by the model" in text


def test_an_operator_evaluates_a_version_again(operator, served):
    made = served.active_version
    assert "Evaluate again" in shown(operator, made)
    operator.post(page("evaluate", made.pk))
    fresh = Evaluation.objects.latest("pk")
    assert (fresh.version, fresh.state, fresh.requested_by) == (made, "queued", "olga")
    assert "Evaluate again" not in shown(operator, made)
    again = operator.post(page("evaluate", made.pk), follow=True)
    assert "is being evaluated already" in again.text
    assert made.evaluations.count() == 2


def test_a_version_without_held_out_tasks_is_not_evaluated(operator):
    made = factory.version(factory.project())
    text = shown(operator, made)
    assert "no tasks were held out when it was trained" in text
    assert "Evaluate" not in text.replace("Evaluations", "")
    answer = operator.post(page("evaluate", made.pk), follow=True)
    assert "nothing to evaluate it on" in answer.text


def test_evaluating_needs_a_post_and_a_permission(operator, viewer, served):
    made = served.active_version
    assert operator.get(page("evaluate", made.pk)).status_code in (403, 405)
    assert viewer.post(page("evaluate", made.pk)).status_code == 403
    assert "Evaluate again" not in shown(viewer, made)
    assert made.evaluations.count() == 1


def test_before_an_override_the_reason_of_the_verdict_is_shown(operator, served):
    held_back(served)
    text = operator.get(page("promote", served.pk), {"version": "v3"}).text
    assert text.index(FELL) < text.index('type="submit">Promote v3')
    plain = operator.get(page("promote", served.pk), {"version": "v1"}).text
    assert "did not pass its latest evaluation" not in plain


def test_only_the_latest_verdict_counts_before_an_override(operator, served):
    found = held_back(served)
    factory.evaluation(found.version, served.active_version)
    text = operator.get(page("promote", served.pk), {"version": "v3"}).text
    assert FELL not in text


def test_two_versions_are_compared_by_the_evaluation_of_both(viewer, served):
    made = served.active_version
    answer = viewer.get(page("compare", made.pk), {"with": "v1"})
    text = words(answer)
    assert "v1 85 % (80–89 %) v2 93 % (88–97 %) Held-out tasks 43" in text
    assert answer.context["f1"][0].change == pytest.approx(0.08)


def test_an_older_version_evaluated_against_a_newer_is_compared_newer_minus_older(
    viewer, served
):
    first = served.versions.get(version="v1")
    factory.evaluation(first, served.active_version, score=0.8, before=0.9)
    answer = viewer.get(page("compare", first.pk), {"with": "v2"})
    assert answer.context["f1"][0].change == pytest.approx(0.1)


def test_versions_that_no_evaluation_compared_are_said_so(viewer, served):
    third = factory.version(served)
    answer = viewer.get(page("compare", third.pk), {"with": "v1"})
    assert "No evaluation compared these two versions" in answer.text
