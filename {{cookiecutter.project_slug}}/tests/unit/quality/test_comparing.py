"""What is compared of an annotation and a prediction, and what the model doubts."""

import pytest

from lsml.quality.suspicious.choices import Choice, doubtful_choices
from lsml.quality.suspicious.comparing import compare


def choices(*labels, name="topic", **more):
    value = {"choices": list(labels)}
    return {"from_name": name, "to_name": "t", "type": "choices", "value": value} | more


def span(start, end, label, **more):
    value = {"start": start, "end": end, "labels": [label]}
    return {"from_name": "ner", "to_name": "t", "type": "labels", "value": value} | more


def box(x, y, label, size=10, **more):
    value = {"x": x, "y": y, "width": size, "height": size, "rectanglelabels": [label]}
    region = {"from_name": "box", "to_name": "i", "type": "rectanglelabels"}
    return region | {"value": value} | more


LABELS = {"topic": ("Refund", "Billing", "A", "B", "C")}


def only(annotated, predicted, score=None):
    """The comparison of the only control."""
    (found,) = compare(annotated, predicted, score=score, labels=LABELS).values()
    return found


def test_the_score_of_a_region_comes_before_that_of_the_prediction():
    annotated = [choices("Refund")]
    assert only(annotated, [choices("Billing", score=0.97)], score=0.4) == Choice(
        "Refund", "Billing", 0.97
    )
    assert only(annotated, [choices("Billing")], score=0.4).score == 0.4


@pytest.mark.parametrize(
    ("annotated", "predicted"),
    [
        ([choices("A", "B")], [choices("A")]),  # several: no single class
        ([choices("A")], [choices("A", "B")]),
        ([choices("A")], [choices("A"), choices("B")]),
        ([], [choices("A")]),
        ([choices("A", name="other")], [choices("A")]),
        ([choices("A")], []),
        ([choices("A")], [choices("A", score=7)]),
        ([choices("A")], ["no region", {"type": "choices", "value": None}]),
        (["no region"], [choices(3), {"value": {}}]),
    ],
)
def test_what_has_no_single_scored_choice_is_not_compared(annotated, predicted):
    assert compare(annotated, predicted, score=0.9, labels=LABELS) == {}


def test_a_prediction_without_any_score_is_not_compared():
    assert compare([choices("A")], [choices("B")], score=None, labels=LABELS) == {}
    assert (
        compare([span(0, 4, "PER")], [span(0, 4, "ORG")], score=None, labels=LABELS)
        == {}
    )


@pytest.mark.parametrize("score", [0, 0.1, 0.2])
def test_a_score_that_is_no_better_than_chance_is_not_compared(score):
    """The untrained starter gives each of the five labels 0.2."""
    assert compare([choices("A")], [choices("B")], score=score, labels=LABELS) == {}


@pytest.mark.parametrize("kind", ["brushlabels", "textarea", "taxonomy"])
def test_other_types_are_not_compared(kind):
    region = {"from_name": "a", "type": kind, "value": {kind: ["x"]}, "score": 0.9}
    assert compare([region], [region], score=0.9, labels=LABELS) == {}


@pytest.mark.parametrize("region", [span, lambda a, b, c, **d: box(a, 0, c, **d)])
def test_a_region_with_another_label_is_doubted_by_its_score(region):
    doubt = only([region(0, 10, "A")], [region(0, 10, "B", score=0.9)])
    assert doubt.quality == pytest.approx(0.1)
    assert doubt.annotated == "A"
    assert doubt.says == "says B (0.90)"


@pytest.mark.parametrize("region", [span, lambda a, b, c, **d: box(a, 0, c, **d)])
def test_a_region_that_is_not_annotated_is_doubted_by_its_score(region):
    doubt = only([region(0, 10, "A")], [region(50, 60, "A", score=0.8)])
    assert doubt.quality == pytest.approx(0.2)
    assert doubt.annotated == ""


def test_an_empty_annotation_is_doubted_if_the_model_sees_something():
    assert only([], [box(0, 0, "Cat", score=0.9)]).quality == pytest.approx(0.1)


def test_a_region_elsewhere_is_doubted_the_more_the_less_it_overlaps():
    near, far = (
        only([box(0, 0, "Cat")], [box(x, 0, "Cat", score=0.9)]) for x in (1, 5)
    )
    assert near.quality == pytest.approx(1 - 0.9 * (1 - 9 / 11))
    assert far.quality == pytest.approx(1 - 0.9 * (1 - 5 / 15))
    assert far.says == "says Cat (0.90), which overlaps it by 33 %"


def test_the_same_region_with_the_same_label_is_beyond_doubt():
    assert only([span(0, 4, "PER")], [span(0, 4, "PER", score=0.9)]).quality == 1


def test_the_worst_region_counts():
    predicted = [span(0, 4, "PER", score=0.9), span(9, 12, "ORG", score=0.7)]
    doubt = only([span(0, 4, "PER")], predicted)
    assert doubt.quality == pytest.approx(0.3)


def test_what_the_model_does_not_predict_is_not_doubted():
    annotated = [span(0, 4, "PER"), span(9, 12, "ORG")]
    assert only(annotated, [span(0, 4, "PER", score=0.9)]).quality == 1


def test_a_span_is_named_by_its_text():
    region = span(0, 4, "ORG", score=0.9)
    region["value"]["text"] = "Acme " * 20
    assert only([], [region]).says.startswith("says ORG (0.90) of “Acme Acme")
    assert only([], [region]).says.endswith("…”")


AGREED = [Choice("Refund", "Refund", 0.8)] * 3 + [Choice("Billing", "Billing", 0.8)]


def test_a_contradiction_is_doubtful_and_an_agreement_is_not():
    found = doubtful_choices([*AGREED, Choice("Refund", "Billing", 0.97)], [])
    assert found[:4] == [None] * 4
    assert found[4].annotated == "Refund"
    assert found[4].says == "says Billing (0.97)"
    assert found[4].quality == pytest.approx(0.03)


@pytest.mark.parametrize(("score", "confident"), [(0.9, True), (0.7, False)])
def test_a_contradiction_is_confident_if_it_is_as_sure_as_usual(score, confident):
    (doubt,) = doubtful_choices([*AGREED, Choice("Refund", "Billing", score)], [])[4:]
    assert doubt.confident is confident


@pytest.mark.parametrize(("score", "confident"), [(0.95, True), (0.9, False)])
def test_a_region_contradicts_confidently_from_95_percent(score, confident):
    doubt = only([span(0, 4, "PER")], [span(0, 4, "ORG", score=score)])
    assert doubt.confident is confident


def test_a_choice_that_the_model_finds_as_probable_as_its_own_is_not_doubtful():
    assert doubtful_choices([Choice("A", "B", 0.5)], ["A", "B"]) == [None]


def test_labels_of_the_config_share_what_the_predicted_one_leaves():
    agreed = [Choice("A", "A", 0.8), Choice("B", "B", 0.8)]
    made = [*agreed, Choice("A", "B", 0.9)]
    assert doubtful_choices(made, ["A", "B", "C"])[2].quality == pytest.approx(0.05)


@pytest.mark.parametrize("made", [[], [Choice("A", "A", 1.0)]])
def test_without_two_labels_nothing_is_doubtful(made):
    assert doubtful_choices(made, ["A"]) == [None] * len(made)
