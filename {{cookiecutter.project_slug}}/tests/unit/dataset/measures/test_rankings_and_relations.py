"""Rankings, relations, chats, and answers that are given for each region."""

import pytest

from lsml.dataset.measures import Counts, agreement, compare
from tests.unit.dataset.measures.regions import (
    box,
    ranker,
    region,
    relation,
    span,
    with_id,
)

PERSON, PLACE = span(0, 5), span(10, 15, "LOC")


@pytest.mark.parametrize(
    ("ours", "theirs", "value"),
    [
        (ranker(1, 2, 3), ranker(1, 2, 3), 1),
        (ranker(1, 2, 3), ranker(3, 2, 1), 0),
        (ranker(1, 2, 3), ranker(1, 3, 2), 2 / 3),  # tau = 1/3
        (ranker(1, 2, 3), ranker(1, 2), 1 / 3),  # two pairs have the item 3
        (ranker(1, 2), ranker(3, 4), 0),
    ],
)
def test_rankings_are_compared_by_the_order_of_each_pair(ours, theirs, value):
    assert agreement([ours], [theirs]) == {"ranking": pytest.approx(value, abs=1e-6)}


def test_items_in_other_buckets_are_not_ranked_alike():
    ours = region("ranker", {"ranker": {"good": ["a", "b"], "bad": ["c"]}})
    theirs = region("ranker", {"ranker": {"good": ["a"], "bad": ["c", "b"]}})
    # Only a and c are both where they were.
    assert agreement([ours], [theirs]) == {"ranking": pytest.approx(1 / 3, abs=1e-6)}


def result(identities, *relations, spans=(PERSON, PLACE)):
    return [*map(with_id, identities, spans), *relations]


@pytest.mark.parametrize(
    ("ours", "value"),
    [
        (result("pq", relation("p", "q", "born in")), 1),
        (result("pq", relation("q", "p", "born in", direction="left")), 1),
        (result("pq", relation("q", "p", "born in")), 0),
        (result("pq", relation("p", "q", "lives in")), 0),
        (result("pq", relation("p", "q", "born in", direction="bi")), 0),
        (result("pq", relation("p", "q", "born in"), relation("q", "p")), 2 / 3),
        (result("pq", relation("p", "x", "born in")), 0),
        (result("pq"), 0),
        # An end that overlaps by half is the same; one of another label is not.
        (result("pq", relation("p", "q", "born in"), spans=(span(0, 8), PLACE)), 1),
        (
            result("pq", relation("p", "q", "born in"), spans=(span(0, 5, "X"), PLACE)),
            0,
        ),
    ],
)
def test_relations_are_the_same_between_the_same_regions(ours, value):
    theirs = result("ab", relation("a", "b", "born in"))
    assert agreement(ours, theirs)["relations"] == pytest.approx(value, abs=1e-6)
    assert agreement(theirs, ours)["relations"] == pytest.approx(value, abs=1e-6)


def test_labels_of_relations_are_counted():
    ours = result("pq", relation("p", "q", "born in"))
    theirs = result("ab", relation("a", "b", "born in"), relation("b", "a", "has"))
    score = compare(ours, theirs)[-1]
    assert (score.control, score.measure) == ("relations", "relations")
    assert score.labels == {"born in": Counts(1, 0, 0), "has": Counts(0, 0, 1)}


@pytest.mark.parametrize(
    "one",
    [relation("p", "q", "x" * 1_000), region("choices", {"choices": ["x" * 1_000]})],
)
def test_names_of_labels_are_cut(one):
    assert {*compare([one], [])[-1].labels} == {"x" * 200}


def test_names_of_controls_are_cut():
    one = span(0, 5) | {"from_name": "x" * 1_000}
    assert compare([one], [])[0].control == "x" * 200


def written(text, x=0):
    value = {"x": x, "y": 0, "width": 10, "height": 10, "text": [text]}
    return region("textarea", value)


def test_texts_of_boxes_are_compared_box_by_box():
    ours = [written("abcd"), written("total", 50)]
    theirs = [written("total", 51), written("abXX")]
    # 0.5 and 1, in any order of the boxes.
    assert agreement(ours, theirs) == {"text": 0.75}
    assert agreement([written("abcd")], [written("abcd", 50)]) == {"text": 0}


def test_texts_of_ocr_labels_are_compared_box_by_box():
    def ocr(text, label="Total", x=0):
        value = {"x": x, "y": 0, "width": 10, "height": 10}
        return region("ocrlabels", {**value, "ocrtext": text, "ocrlabels": [label]})

    assert agreement([ocr("abcd")], [ocr("abXX", x=1)]) == {"text": 0.5}
    assert agreement([ocr("abcd")], [ocr("abcd", "Date")]) == {"text": 0}


def test_choices_of_boxes_are_compared_box_by_box():
    def chosen(name, x):
        value = {"x": x, "y": 0, "width": 10, "height": 10, "choices": [name]}
        return region("choices", value)

    (score,) = compare(
        [chosen("old", 0), chosen("new", 50)], [chosen("new", 1), chosen("new", 51)]
    )
    assert (score.measure, score.value) == ("choices", 0.5)
    assert score.labels == {"new": Counts(1, 0, 1), "old": Counts(0, 1, 0)}


def test_labels_of_choices_and_taxonomies_are_counted():
    def paths(*paths):
        return [region("taxonomy", {"taxonomy": [list(path) for path in paths]})]

    (score,) = compare(paths("AB", "A"), paths("AB", "C"))
    expected = {"A › B": Counts(1, 0, 0), "A": Counts(0, 1, 0), "C": Counts(0, 0, 1)}
    assert score.labels == expected


def test_the_preferred_side_and_the_messages_of_a_chat_are_compared():
    def side(name):
        return [region("pairwise", {"selected": name})]

    def said(content):
        message = {"role": "assistant", "content": content}
        return [region("chatmessage", {"chatmessage": message})]

    assert agreement(side("left"), side("right")) == {"choices": 0}
    assert 0.5 < agreement(said("good morning"), said("good evening"))["text"] < 1


def test_a_type_without_a_measure_is_compared_exactly():
    def moment(text):
        return [region("datetime", {"datetime": text})]

    assert agreement(moment("2026-11-30"), moment("2026-11-30")) == {"exact": 1}
    assert agreement(moment("2026-11-30"), moment("2026-11-29")) == {"exact": 0}


def test_a_control_is_measured_as_its_annotation():
    (score,) = compare([region("choices", {"choices": ["A"]})], [box(0, 0, 10, 10)])
    assert (score.measure, score.value) == ("boxes", 0)
