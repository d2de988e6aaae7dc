"""The page and the list of evaluations."""

import pytest

from lsml.audit.models import Prediction
from lsml.jobs.outcomes import job_origin
from tests.console import factory, job_states
from tests.console.addresses import detail_page, list_page

pytestmark = pytest.mark.django_db
UNSAFE = "<script>alert('1')</script>"


def two_versions(**facts):
    of = factory.project()
    old = factory.version(of, held_out_tasks=43)
    return factory.evaluation(factory.version(of, held_out_tasks=43), old, **facts)


def test_the_page_compares_controls_and_labels_of_both_versions(viewer):
    answer = viewer.get(detail_page(two_versions(score=0.9, before=0.8)))
    assert "v2 against v1 on 43 held-out tasks" in answer.text
    assert "80 % (75–84 %)" in answer.text
    assert "90 % (85–94 %)" in answer.text
    assert "With 80 % certainty, the difference is at least +6 points;" in " ".join(
        answer.text.split()
    )
    positive = answer.context["recalls"][0]
    assert (positive.name, positive.count) == ("Positive", 20)
    assert positive.change == pytest.approx(0.1)


def test_with_several_controls_a_label_is_named_with_its_own(viewer):
    found = two_versions()
    for figures in found.report["versions"]:
        figures["controls"]["topic"] = figures["controls"]["sentiment"]
    found.save()
    recalls = viewer.get(detail_page(found)).context["recalls"]
    assert recalls[0].name == "sentiment: Positive"


def test_the_worst_tasks_link_to_the_drawn_prediction_of_the_new_version(viewer):
    found = two_versions()
    rows = [
        factory.prediction(
            found.project,
            at=found.created_at,
            n=n,
            task_id=101,
            model_version=version,
            kind="shadow",
            request_id=job_origin(found).request_id,
        )
        for n, version in enumerate(("v1", "v2"))
    ]
    Prediction.objects.bulk_create(rows)
    answer = viewer.get(detail_page(found))
    assert [row["task"] for row in answer.context["worst"]] == [101, 102]
    assert detail_page(rows[1]) in answer.text
    assert detail_page(rows[0]) not in answer.text


def test_a_verdict_in_shadow_says_whom_the_comparison_favours(viewer):
    found = two_versions()
    assert "has the advantage" not in viewer.get(detail_page(found)).text
    found.compared_on = "shadow"
    found.save()
    text = " ".join(viewer.get(detail_page(found)).text.split())
    assert "v2 in shadow of v1, on 43 annotated tasks" in text
    assert "Annotators saw the suggestions of v1 and agree with them" in text
    assert "Only tasks without suggestions are free of that." in text


def test_the_worst_tasks_in_shadow_link_to_the_first_prediction_there(viewer):
    found = two_versions(compared_on="shadow")
    rows = [
        factory.prediction(
            found.project,
            at=found.created_at,
            n=n,
            task_id=101,
            model_version="v2",
            kind=kind,
            request_id=f"shadow-{n}",
        )
        for n, kind in enumerate(("batch", "shadow", "shadow"))
    ]
    Prediction.objects.bulk_create(rows)
    text = viewer.get(detail_page(found)).text
    shown = [detail_page(row) in text for row in rows]
    assert shown == [False, True, False]


def test_a_candidate_says_until_when_it_is_in_shadow(viewer):
    found = two_versions(promoted=False)
    found.in_shadow_until = found.created_at
    found.save()
    text = viewer.get(detail_page(found)).text
    assert "a person decides" in text
    assert ">in shadow</span>" in text


def test_before_it_has_ended_the_page_shows_only_progress(viewer):
    answer = viewer.get(detail_page(job_states.job("evaluation", "running")))
    assert "60 / 150 predictions" in answer.text
    assert "held-out tasks</h2>" not in answer.text


def test_a_version_that_failed_on_all_tasks_is_shown_with_the_error(viewer):
    found = two_versions(verdict="held back", promoted=False)
    found.report["versions"][0] |= {
        "answered": 0, "failed": 43, "error": "ValueError: empty text",
        "score": None, "controls": {}, "labels": [],
    }  # fmt: skip
    found.report["comparison"] = {}
    found.save()
    text = viewer.get(detail_page(found)).text
    assert "0 of v1, 43 of v2" in " ".join(text.split())
    assert "ValueError: empty text" in text


def test_hundreds_of_labels_are_cut_and_counted(viewer):
    labels = [f"Label {n:03}" for n in range(100)]
    found = two_versions()
    report = {
        "versions": [factory.figures(name, 0.8, labels) for name in ("v2", "v1")],
        "comparison": {},
    }
    type(found).objects.update(report=report)
    text = viewer.get(detail_page(found)).text
    assert "Label 029" in text
    assert "Label 030" not in text
    assert "the 30 labels annotated most" in text


def test_what_the_model_and_label_studio_wrote_is_escaped(viewer):
    found = two_versions(reason=UNSAFE, verdict="held back", promoted=False)
    found.report["versions"] = [
        factory.figures(name, 0.8, [UNSAFE, "x" * 300]) | {"failed": 1, "error": UNSAFE}
        for name in ("v2", "v1")
    ]
    found.save()
    pages = [
        detail_page(found),
        detail_page(found.version),
        detail_page(found.project),
        list_page("quality_evaluation"),
    ]
    for address in pages:
        text = viewer.get(address).text
        assert "&lt;script&gt;alert" in text
        assert UNSAFE not in text


def test_the_list_shows_verdicts_and_reasons(viewer):
    found = two_versions(verdict="held back", promoted=False, reason="v2 is slow")
    text = viewer.get(list_page("quality_evaluation")).text
    assert ">held back</span>" in text
    assert found.reason in text


def test_the_list_is_filtered_by_verdict(viewer):
    two_versions(verdict="held back", reason="v2 is slow")
    text = viewer.get(list_page("quality_evaluation"), {"verdict": "passed"}).text
    assert "v2 is slow" not in text


def test_the_list_is_filtered_by_what_was_compared(viewer):
    two_versions(reason="v2 is slow")
    found = viewer.get(list_page("quality_evaluation"), {"compared_on": "shadow"})
    assert "v2 is slow" not in found.text


def test_an_empty_list_says_when_evaluations_begin(viewer):
    text = viewer.get(list_page("quality_evaluation")).text
    assert "which begins with 30 of them" in text
