"""Whatever the regions are: no error, 0 to 1, 1 for equal, the same in both orders."""

from copy import deepcopy

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lsml.dataset.measures import agreement, compare

TYPES = [
    *("choices", "taxonomy", "pairwise", "textarea", "chatmessage", "rating", "number"),
    *("datetime", "ranker", "labels", "hypertextlabels", "paragraphlabels"),
    *("timeserieslabels", "timelinelabels", "rectangle", "rectanglelabels", "ellipse"),
    *("ellipselabels", "polygon", "polygonlabels", "keypoint", "keypointlabels"),
    *("brush", "brushlabels", "bitmask", "bitmasklabels", "vector", "vectorlabels"),
    *("videorectangle", "ocrlabels", "magicwand", "unheard of"),
]
NUMBERS = st.integers(-20, 120) | st.floats(0, 100) | st.sampled_from([1e308, 10**400])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "b", "/p[1]"])
KEYS = [
    *("choices", "taxonomy", "selected", "text", "chatmessage", "rating", "number"),
    *("ranker", "labels", "start", "end", "startOffset", "endOffset", "ranges"),
    *("x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points"),
    *("vertices", "rle", "imageDataURL", "sequence", "framesCount", "frame", "enabled"),
    *("polygonlabels", "globalOffsets", "channel", "ocrtext", "role", "content"),
]
FLAT = SCALARS | st.lists(SCALARS, max_size=3)
JSON = (
    FLAT
    | st.lists(FLAT, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), FLAT, max_size=3)
)
LABELS = st.lists(st.sampled_from("AB"), max_size=2)


def place(**numbers):
    return st.fixed_dictionaries(numbers, optional={"labels": LABELS, "text": LABELS})


BOX = dict.fromkeys(("x", "y", "width", "height"), NUMBERS)
VERTEX = st.fixed_dictionaries({"x": NUMBERS, "y": NUMBERS})
PLACES = st.one_of(
    place(**BOX),
    place(**BOX, rotation=NUMBERS),
    place(x=NUMBERS, y=NUMBERS, radiusX=NUMBERS, radiusY=NUMBERS),
    place(x=NUMBERS, y=NUMBERS),
    place(points=st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=6)),
    place(vertices=st.lists(VERTEX, max_size=4)),
    place(start=NUMBERS, end=NUMBERS),
    place(ranges=st.lists(st.fixed_dictionaries({"start": NUMBERS, "end": NUMBERS}))),
    place(rle=st.lists(st.integers(0, 255), max_size=40)),
    place(
        rle=st.lists(st.integers(0, 255), max_size=60).map(
            lambda code: [0, 0, 0, 40, 56, 34, 55, *code]
        )
    ),
    place(
        framesCount=NUMBERS,
        sequence=st.lists(
            st.fixed_dictionaries(
                {"frame": NUMBERS, **BOX}, optional={"enabled": st.booleans()}
            ),
            max_size=4,
        ),
    ),
)
VALUES = PLACES | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5) | JSON
RELATION = st.fixed_dictionaries(
    {"type": st.just("relation"), "from_id": st.sampled_from("abc"), "to_id": SCALARS},
    optional={"direction": SCALARS, "labels": JSON},
)


def regions(kind):
    region = st.fixed_dictionaries(
        {"type": kind, "from_name": st.sampled_from("ab"), "value": VALUES},
        optional={
            "id": st.sampled_from("abc"),
            "item_index": SCALARS,
        },
    )
    return st.lists(region | RELATION | JSON, max_size=4)


ANY_TYPE = st.sampled_from(TYPES)
ANY = regions(ANY_TYPE)
TWO_OF_A_TYPE = ANY_TYPE.map(st.just).flatmap(
    lambda kind: st.tuples(regions(kind), regions(kind))
)
quietly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quietly
@given(ANY, ANY)
def test_any_regions_give_values_from_0_to_1(ours, theirs):
    for score in compare(ours, theirs):
        assert 0 <= score.value <= 1
        assert all(0 <= value <= 1 for value in score.also.values())
        assert all(count >= 0 for counts in score.labels.values() for count in counts)


@quietly
@given(ANY)
def test_equal_results_agree_fully(result):
    for measure, value in agreement(result, deepcopy(result)).items():
        assert value == 1, measure


@quietly
@given(TWO_OF_A_TYPE)
def test_exchanged_results_agree_as_much(results):
    ours, theirs = results
    one, other = agreement(ours, theirs), agreement(theirs, ours)
    # Generic labels are measured as what the annotated ones lie on.
    assume(one.keys() == other.keys())
    assert one == pytest.approx(other, abs=2e-6)


@quietly
@given(st.lists(PLACES, min_size=1, max_size=3), ANY_TYPE)
def test_nothing_predicted_is_no_agreement(values, kind):
    result = [{"type": kind, "from_name": "a", "value": value} for value in values]
    for score in compare([], result):
        assert score.value == 0 or score.measure in {"choices", "text", "ranking"}
        assert not any(counts.both for counts in score.labels.values())
