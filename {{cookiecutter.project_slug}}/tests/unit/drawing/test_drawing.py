"""Each result type is drawn, and no task can smuggle markup into the page."""

import base64
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.console.drawing import Canvas, draw, draw_task
from lsml.console.drawing.brush import decode_rle, mask_png
from lsml.console.drawing.draw import ALONE, IN_TEXT, IN_TIME, ON_IMAGE
from lsml.labelstudio.label_config import parse_label_config

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CONFIG = parse_label_config(
    '<View><Text name="text" value="$text"/><Image name="image" value="$image"/>'
    '<Audio name="audio" value="$audio"/>'
    '<TimeSeries name="ts" value="$ts"/>'
    '<Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>'
    '<Labels name="speech" toName="audio"><Label value="Speech"/></Labels>'
    '<Choices name="sentiment" toName="text"><Choice value="Good"/>'
    '<Choice value="Bad"/></Choices></View>'
)


def region(kind, value, *, to="text", name="ner", **more):
    return {"type": kind, "from_name": name, "to_name": to, "value": value, **more}


def canvas(**data):
    return Canvas(data, CONFIG, "https://studio.example")


def drawn(result, **data):
    """The markup of a result's only picture."""
    (picture,) = draw(result, canvas(**data))
    return picture.markup


def test_offsets_of_spans_count_utf16_units_as_javascript_does():
    text = "😀 Ada works at Acme"
    spans = [
        region("labels", {"start": 3, "end": 6, "labels": ["PER"]}, score=0.9),
        region("labels", {"start": 16, "end": 20, "labels": ["ORG"]}),
    ]
    markup = drawn(spans, text=text)
    assert re.search(r"<mark[^>]*>Ada</mark>", markup)
    assert re.search(r"<mark[^>]*>Acme</mark>", markup)
    assert "PER 0.90" in markup


def test_overlapping_spans_keep_the_text_whole():
    spans = [
        region("labels", {"start": 0, "end": 8, "labels": ["PER"]}),
        region("labels", {"start": 4, "end": 12, "labels": ["ORG"]}),
    ]
    markup = drawn(spans, text="Ada Lovelace wrote")
    words = re.sub(r'<span class="c-tag.*?</span>|<[^>]+>', "", markup)
    assert words == "Ada Lovelace wrote"
    assert "PER + ORG" in markup


def test_choices_show_scores_as_bars_and_the_labels_not_chosen():
    markup = drawn(
        [region("choices", {"choices": ["Good"]}, name="sentiment", score=0.25)]
    )
    assert 'width="25.0"' in markup
    assert "0.25" in markup
    assert "Bad" in markup


def test_shapes_lie_over_the_image_in_its_own_pixels():
    size = {"original_width": 200, "original_height": 100}
    markup = drawn(
        [
            region(
                "rectanglelabels",
                {"x": 10, "y": 20, "width": 50, "height": 30, "rotation": 0,
                 "rectanglelabels": ["Cat"]},
                to="image", **size,
            ),
            region("polygonlabels", {"points": [[0, 0], [50, 0], [50, 100]]},
                   to="image", **size),
            region("ellipselabels", {"x": 50, "y": 50, "radiusX": 5, "radiusY": 10},
                   to="image", **size),
            region("keypointlabels", {"x": 5, "y": 5, "width": 1}, to="image", **size),
        ],
        image="https://pictures.example/cat.png",
    )  # fmt: skip
    assert '<rect x="20" y="20" width="100" height="30"' in markup
    assert 'points="0,0 100,0 100,100"' in markup
    assert 'rx="10" ry="10"' in markup
    assert 'href="https://pictures.example/cat.png"' in markup


@pytest.mark.parametrize(
    ("image", "origin"),
    [
        ("https://pictures.example/cat.png", {"https://pictures.example"}),
        ("http://10.0.0.1:8080/x", {"http://10.0.0.1:8080"}),
        ("/data/upload/1/cat.png", {"https://studio.example"}),
        ("data:image/png;base64,AAAA", set()),
        ("javascript:alert(1)", set()),
        ("s3://bucket/cat.png", set()),
        ("//evil.example/cat.png", set()),
        ("https://a b;script-src *", set()),
        ("https://[", set()),
        (["https://x.example/1.png"], set()),
    ],
)
def test_only_the_images_own_origin_is_allowed(image, origin):
    box = region(
        "rectanglelabels", {"x": 1, "y": 1, "width": 1, "height": 1}, to="image"
    )
    (picture,) = draw([box], canvas(image=image))
    assert picture.origins == origin
    if not origin:
        assert "evil" not in picture.markup
        assert "javascript" not in picture.markup


def test_a_brush_mask_unpacks_as_label_studios_own_library_packs_it():
    from label_studio_sdk.converter.brush import encode_rle  # two seconds, with SciPy

    width, height = 31, 17
    pixels = [0, 0, 0, 0] * (width * height)
    for place in range(40, 90):
        pixels[4 * place + 3] = 255
    code = encode_rle(pixels)
    assert list(decode_rle(bytes(code), expected=len(pixels))) == pixels
    png = base64.b64decode(mask_png(code, width, height, 0))
    assert png.startswith(b"\x89PNG")
    markup = drawn(
        [
            region("brushlabels",
                   {"format": "rle", "rle": code, "brushlabels": ["Road"]},
                   to="image", original_width=width, original_height=height)
        ]
    )  # fmt: skip
    assert "data:image/png;base64," in markup


@pytest.mark.parametrize("code", [[], [1, 2, 3], [0] * 40, ["x"], [300], None, {}])
def test_a_broken_brush_code_falls_back_to_json(code):
    broken = region("brushlabels", {"rle": code}, to="image", original_width=4,
                    original_height=4)  # fmt: skip
    (picture,) = draw([broken], canvas())
    assert "c-json" in picture.markup


def test_a_time_series_shows_its_curves_and_regions():
    markup = drawn(
        [
            region(
                "timeserieslabels", {"start": 2, "end": 3, "timeserieslabels": ["Run"]},
                to="ts",
            )
        ],
        ts={"time": [0, 1, 2, 3, 4], "speed": [0, 1, 5, 2, 1]},
    )  # fmt: skip
    assert '<polyline class="c-curve"' in markup
    assert 'x="500.0" y="0" width="250.0"' in markup


def test_labels_over_audio_are_a_bar_in_time():
    markup = drawn(
        [region("labels", {"start": 1, "end": 2, "labels": ["Speech"]}, to="audio")]
    )
    assert "c-timeline" in markup


def test_a_text_area_is_compared_word_by_word_with_what_was_predicted():
    before = [region("textarea", {"text": ["the cat sat"]}, name="caption")]
    after = [region("textarea", {"text": ["the dog sat"]}, name="caption")]
    (picture,) = draw(after, Canvas({}, CONFIG, before=before))
    assert "<del>cat </del><ins>dog </ins>" in picture.markup


@pytest.mark.parametrize(
    ("kind", "value", "seen"),
    [
        ("taxonomy", {"taxonomy": [["Animal", "Cat"]]}, "Animal › Cat"),
        ("rating", {"rating": 4}, "★★★★☆"),
        ("number", {"number": 7}, ">7<"),
        ("datetime", {"datetime": "2026-11-23"}, "2026-11-23"),
        ("pairwise", {"selected": "left"}, "preferred"),
        ("ranker", {"ranker": ["b", "a"]}, "<li>b</li><li>a</li>"),
        ("videorectangle", {"sequence": []}, "sequence"),
    ],
)
def test_each_other_type_shows_its_value(kind, value, seen):
    assert seen in drawn([region(kind, value, to="text,text")], text="x")


def test_relations_name_what_they_connect():
    ends = [
        region("labels", {"start": i, "end": i + 1, "labels": [n]}, id=n)
        for i, n in enumerate(("PER", "ORG"))
    ]
    link = {"type": "relation", "from_id": "PER", "to_id": "ORG", "direction": "right"}
    pictures = draw([*ends, link], canvas(text="ab"))
    assert "PER → ORG" in pictures[-1].markup


def hostile(kind):
    """Regions of a type with markup wherever text can be."""
    at = {"start": 0, "end": 5, "x": 1, "y": 1, "width": 1, "height": 1}
    return {
        "type": kind, "from_name": HOSTILE, "to_name": HOSTILE, "id": HOSTILE,
        "original_width": 10, "original_height": 10,
        "value": at | {
            kind: [HOSTILE], "choices": [HOSTILE], "text": [HOSTILE],
            "taxonomy": [[HOSTILE]], "labels": [HOSTILE], "selected": "left",
            "ranker": {HOSTILE: [HOSTILE]}, "rating": 1, "number": 1,
            "start": 0, "end": 5,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind", sorted({*ALONE, *IN_TEXT, *ON_IMAGE, *IN_TIME, "unheard-of"})
)
def test_hostile_data_never_becomes_markup(kind):
    result = [hostile(kind), {"type": "relation", "from_id": HOSTILE, "to_id": HOSTILE}]
    for data in ({"text": HOSTILE}, {"text": [{"author": HOSTILE, "text": HOSTILE}]}):
        for picture in draw(result, Canvas(data, None, HOSTILE, [hostile(kind)])):
            assert "<script" not in picture.markup
            assert "<img" not in picture.markup
            tags = ElementTree.fromstring(f"<div>{picture.markup}</div>")
            assert not [k for tag in tags.iter() for k in tag.attrib if k[:2] == "on"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["start", "end", "x", "y", "width", "height", "points", "rle", "text", "rating",
        "choices", "taxonomy", "ranker", "selected", "radiusX", "radiusY", "rotation",
        "startOffset", "endOffset", "labels", "globalOffsets"]  # fmt: skip


@given(
    kind=st.sampled_from(sorted({*ALONE, *IN_TEXT, *ON_IMAGE, *IN_TIME})),
    value=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8),
    size=st.tuples(JSON, JSON),
    shown=JSON,
)
def test_any_result_of_a_model_is_drawn_or_shown_as_json(kind, value, size, shown):
    odd = region(kind, value, original_width=size[0], original_height=size[1])
    assert draw([odd], canvas(text=shown, image=shown))


@given(JSON)
def test_any_value_in_place_of_a_result_is_shown(result):
    for picture in draw(result, canvas()):
        assert isinstance(picture.markup, str)
        json.dumps(picture.title)


def test_the_task_is_shown_as_its_annotator_sees_it():
    pictures = draw_task(canvas(text="hello", image="https://p.example/1.png"))
    shown = {picture.title: picture.markup for picture in pictures}
    assert "hello" in shown["text"]
    assert 'src="https://p.example/1.png"' in shown["image"]


def test_a_hostile_task_is_text_too():
    for data in ({"text": HOSTILE, "image": HOSTILE}, {HOSTILE: HOSTILE}):
        for config in (CONFIG, None):
            for picture in draw_task(Canvas(data, config, HOSTILE)):
                assert "<script" not in picture.markup
                assert "<img" not in picture.markup


def test_a_time_series_of_the_task_is_shown_as_curves():
    pictures = draw_task(canvas(ts={"time": [0, 1, 2], "speed": [3, 1, 2]}))
    assert any("<polyline" in picture.markup for picture in pictures)
