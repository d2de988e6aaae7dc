"""Regions are compared by where they are: values computed by hand."""

import pytest

from lsml.dataset.measures import Counts, agreement, compare
from tests.unit.dataset.measures.regions import (
    bitmask,
    box,
    brush,
    ellipse,
    keypoint,
    polygon,
    region,
    rle,
    span,
    track,
    vector,
    white_png,
)

SQUARE = [(0, 0), (10, 0), (10, 10), (0, 10)]
SHIFTED = [(5, 0), (15, 0), (15, 10), (5, 10)]
# Concave: the square without its lower right quarter.
CORNER = [(0, 0), (10, 0), (10, 5), (5, 5), (5, 10), (0, 10)]
BOW_TIE = [(0, 0), (10, 10), (10, 0), (0, 10)]


def only(ours, theirs):
    (score,) = compare([ours], [theirs])
    return score


@pytest.mark.parametrize(
    ("ours", "theirs", "measure", "value"),
    [
        (polygon(*SQUARE), polygon(*SHIFTED), "polygons", 1 / 3),
        (polygon(*SQUARE), polygon(*reversed(SHIFTED)), "polygons", 1 / 3),
        (polygon(*SQUARE), polygon(*CORNER), "polygons", 3 / 4),
        (polygon(*CORNER), polygon((5, 5), (10, 5), (10, 10), (5, 10)), "polygons", 0),
        (polygon(*SQUARE), polygon(*SQUARE[2:], *SQUARE[:2]), "polygons", 1),
        # A square turned by 90 degrees around its upper left corner lies left of it.
        (box(10, 0, 10, 10, rotation=90), box(0, 0, 10, 10), "boxes", 1),
        (box(10, 0, 10, 10, rotation=90), box(10, 0, 10, 10), "boxes", 0),
        # The octagon that two squares share, turned by 45 degrees around their centre.
        (
            box(50, 50 - 50**0.5, 10, 10, rotation=45),
            box(45, 45, 10, 10),
            "boxes",
            2**-0.5,
        ),
        (ellipse(50, 50, 20, 10), ellipse(50, 50, 10, 10), "ellipses", 1 / 2),
        (ellipse(50, 50, 20, 10), ellipse(50, 50, 10, 20, rotation=90), "ellipses", 1),
        (keypoint(50, 50), keypoint(50, 50), "keypoints", 1),
        # 2.5 % of the diagonal, half of 5 %: 0.025 x 100 x the square root of 2.
        (keypoint(50, 50), keypoint(50 + 2.5 * 2**0.5, 50), "keypoints", 1 / 2),
        (keypoint(50, 50), keypoint(60, 50), "keypoints", 0),
        (vector((0, 0), (50, 50)), vector((0, 0), (50, 50)), "vectors", 1),
        (vector((0, 0), (50, 50)), vector((50, 50), (0, 0)), "vectors", 1),
        # Three of the four vertices of both have one of the other's at their place,
        # and the fourth is far from all.
        (vector((0, 0), (50, 50)), vector((0, 0), (90, 50)), "vectors", 1 / 2),
        (brush(rle([1, 1, 0, 0])), brush(rle([0, 1, 1, 0])), "masks", 1 / 3),
        (brush(rle([1, 1, 0, 0])), brush(rle([1, 1, 0, 0], bits=8)), "masks", 1),
        (brush(rle([1, 0])), brush(rle([1, 0, 0])), "masks", 0),  # of another image
        (bitmask([[1, 1], [0, 0]]), bitmask([[0, 1], [0, 1]]), "masks", 1 / 3),
        (bitmask([[1, 0]]), bitmask([[1, 0]], mode="L"), "masks", 1),
    ],
)
def test_the_overlap_of_two_regions_is_that_of_their_areas(
    ours, theirs, measure, value
):
    score = only(ours, theirs)
    assert (score.measure, score.value) == (measure, pytest.approx(value, abs=1e-3))


def test_rotation_and_distance_are_those_of_the_pixels():
    """In an image twice as wide as high, a percentage is twice as many pixels."""
    size = {"original_width": 200, "original_height": 100}
    turned = box(10, 0, 5, 10, rotation=90) | size  # 10 x 10 pixels, as the other
    assert only(turned, box(5, 0, 5, 10)).value == pytest.approx(1)
    near = 0.025 * 5**0.5 * 100  # half as far as 5 % of the diagonal, in its height
    down = only(keypoint(50, 50, **size), keypoint(50, 50 + near))
    across = only(keypoint(50, 50, **size), keypoint(50 + near, 50))
    assert (down.value, across.value) == (pytest.approx(0.5), 0)


def test_a_mask_of_repeated_values_is_that_of_its_pixels():
    """Label Studio's own encoding of 4 opaque pixels, then 4 transparent ones."""
    code = f"{32:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    code += f"101{15:04b}{255:08b}" + f"101{15:04b}{0:08b}"
    code += "0" * (-len(code) % 8)
    repeated = list(int(code, 2).to_bytes(len(code) // 8))
    other = brush(rle([1, 1, 0, 0, 0, 0, 0, 0]))
    assert only(brush(repeated), other).value == 1 / 2


@pytest.mark.parametrize(
    "code",
    [
        [],
        [1, 2, 3],
        [255] * 8,  # 4 GB of pixels
        [255] * 1_000,
        [0, 0, 0, 64, *[0] * 60],  # runs that go past the end of the code
        [-1, 300, "x", None] * 4,
        rle([1, 0, 1])[:-1],
    ],
    ids=repr,
)
def test_a_broken_mask_is_equal_to_itself_only(code):
    assert only(brush(code), brush(code)).value == 1
    assert only(brush(code), brush(rle([1, 0, 1]))).value == 0


@pytest.mark.parametrize("url", ["", "data:image/png;base64,", "x" * 99, None, 7])
def test_a_broken_png_is_equal_to_itself_only(url):
    broken = region("bitmask", {"imageDataURL": url})
    assert only(broken, broken).value == 1
    sound = region("bitmask", {"imageDataURL": bitmask([[1]])["value"]["imageDataURL"]})
    assert only(broken, sound).value == 0


def test_a_png_of_more_pixels_than_are_read_is_equal_to_itself_only():
    white, other = white_png(5_000, 4_000), white_png(5_000, 4_000, black=(7, 7))
    assert only(white, white).value == 1
    assert only(white, other).value == 0
    assert only(white_png(50, 40), white_png(50, 40, black=(7, 7))).value > 0.99


def test_a_polygon_that_goes_round_twice_counts_twice():
    twice = polygon(*SQUARE, *SQUARE)
    assert only(twice, polygon(*SQUARE)).value == pytest.approx(2 / 3, abs=1e-6)


def test_a_polygon_that_crosses_itself_is_compared():
    assert only(polygon(*BOW_TIE), polygon(*BOW_TIE[1:], BOW_TIE[0])).value == 1
    assert 0 <= only(polygon(*BOW_TIE), polygon(*SQUARE)).value <= 1


@pytest.mark.parametrize(
    ("ours", "theirs", "value"),
    [
        (track((1, 0)), track((1, 0)), 1),
        (track((1, 0)), track((1, 20)), 0),
        # From 0 to 10 in 11 frames, against a box that stays: they share 10 - x of
        # 10 + x in each frame, summed 55 / 165.
        (track((1, 0), (11, 10), frames=11), track((1, 0), frames=11), 1 / 3),
        # The first half of the frames only.
        (track((1, 0), (50, 0, False)), track((1, 0)), 1 / 2),
        # Gone from frame 26 to 75.
        (track((1, 0), (25, 0, False), (76, 0)), track((1, 0)), 1 / 2),
    ],
)
def test_video_boxes_are_compared_frame_by_frame(ours, theirs, value):
    score = only(ours, theirs)
    assert (score.measure, score.value) == ("video_boxes", pytest.approx(value))


@pytest.mark.parametrize(
    ("ours", "theirs", "exact", "overlap"),
    [
        (span(0, 10), span(0, 10), 1, 1),
        (span(0, 10), span(5, 15), 0, 1 / 3),
        (span(0, 10), span(5, 15, "LOC"), 0, 0),
        (span(0, 10, channel=0), span(0, 10, channel=1), 0, 0),
        (
            span("/p[1]", "/p[1]", startOffset=0, endOffset=4),
            span("/p[1]", "/p[1]", startOffset=2, endOffset=4),
            0,
            1 / 2,
        ),
        (
            span("/p[1]", "/p[1]", startOffset=0, endOffset=4),
            span("/p[2]", "/p[2]", startOffset=0, endOffset=4),
            0,
            0,
        ),
        (
            span("/p[1]", "/p[2]", globalOffsets={"start": 0, "end": 4}),
            span("/p[1]", "/p[3]", globalOffsets={"start": 0, "end": 8}),
            0,
            1 / 2,
        ),
    ],
)
def test_spans_are_compared_exactly_and_by_overlap(ours, theirs, exact, overlap):
    expected = {"spans": exact, "spans_overlap": pytest.approx(overlap, abs=1e-6)}
    assert agreement([ours], [theirs]) == expected
    assert only(ours, theirs).value == exact


def test_ranges_of_a_timeline_include_their_last_frame():
    def timeline(*ranges):
        ranges = [{"start": start, "end": end} for start, end in ranges]
        value = {"ranges": ranges, "timelinelabels": ["run"]}
        return region("timelinelabels", value)

    score = only(timeline((1, 4), (7, 10)), timeline((1, 4), (7, 7)))
    assert (score.value, score.also) == (0, {"spans_overlap": 5 / 8})


def test_generic_labels_of_an_image_are_compared_as_what_they_lie_on():
    value = {"x": 0, "y": 0, "width": 10, "height": 10, "labels": ["Total"]}
    ours = region("labels", value)
    score = only(ours, region("labels", {**value, "x": 5}))
    assert (score.measure, round(score.value, 6)) == ("boxes", 0.333333)


def test_labels_are_counted_from_half_an_overlap_on():
    ours = [box(0, 0, 10, 10), box(50, 50, 10, 10), box(80, 80, 10, 10, "bus")]
    theirs = [box(0, 0, 10, 9), box(56, 50, 10, 10)]
    (score,) = compare(ours, theirs)
    assert score.labels == {"bus": Counts(0, 1, 0), "car": Counts(1, 1, 1)}


def test_labels_of_spans_are_counted_if_the_spans_are_equal():
    (score,) = compare([span(0, 3), span(5, 9)], [span(0, 3), span(5, 8, "LOC")])
    assert score.labels == {"LOC": Counts(0, 0, 1), "PER": Counts(1, 1, 0)}


def test_regions_of_different_images_of_one_task_are_not_matched():
    ours = box(0, 0, 10, 10) | {"item_index": 0}
    assert only(ours, box(0, 0, 10, 9) | {"item_index": 1}).value == 0
    assert only(ours, box(0, 0, 10, 9) | {"item_index": 0}).value == 0.9


def test_more_equal_regions_than_are_compared_agree():
    many = [box(x / 100, 0, 1, 1) for x in range(1_000)]
    assert agreement(many, many[::-1]) == {"boxes": 1}
