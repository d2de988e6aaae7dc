"""The helpers that the reference's examples use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from label_studio_ml import utils

CHOICES = {
    "s": {
        "type": "Choices",
        "to_name": ["t"],
        "inputs": [{"type": "Text", "value": "text"}],
        "labels": ["A", "B"],
    }
}


def test_the_keys_of_a_config_with_one_pair_of_tags_are_found():
    found = utils.get_single_tag_keys(CHOICES, "Choices", "Text")
    assert found == ("s", "t", "text", ["A", "B"])


@pytest.mark.parametrize(
    ("config", "control", "source", "sentence"),
    [
        ({}, "Choices", "Text", "one control tag, got 0"),
        (CHOICES, "Labels", "Text", "<Labels>, got <Choices>"),
        (CHOICES, "Choices", "Image", "<Image>, got <Text>"),
    ],
)
def test_another_config_is_refused_and_the_message_says_what_was_expected(
    config, control, source, sentence
):
    with pytest.raises(AssertionError, match=sentence):
        utils.get_single_tag_keys(config, control, source)


def test_the_first_matching_control_tag_is_found():
    config = {"other": CHOICES["s"] | {"type": "Labels"}} | CHOICES
    assert utils.get_first_tag_keys(config, "Choices", "Text") == ("s", CHOICES["s"])
    assert utils.get_first_tag_keys(config, "Choices", "Image") == (None, None)


@pytest.mark.parametrize(
    ("annotations", "skipped"),
    [
        ([{"was_cancelled": True}], True),
        ([{"skipped": True}], True),
        ([{}], False),
        ([], False),
        ([{"skipped": True}, {}], False),
    ],
)
def test_a_task_is_skipped_if_its_only_annotation_is(annotations, skipped):
    assert utils.is_skipped({"annotations": annotations}) is skipped


def test_the_choice_of_a_task_is_its_first():
    result = [{"value": {"choices": ["A", "B"]}}]
    assert utils.get_choice({"annotations": [{"result": result}]}) == "A"


@pytest.mark.parametrize(("orientation", "size"), [(1, (3, 2)), (6, (2, 3))])
def test_the_size_of_an_image_is_its_displayed_size(tmp_path, orientation, size):
    image = Image.new("RGB", (3, 2))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    assert utils.get_image_size(tmp_path / "a.jpg") == size


def test_a_full_cache_drops_the_least_recently_used_item():
    cache = utils.InMemoryLRUDictCache(capacity=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert ("a" in cache, "b" in cache, cache.get("b")) == (True, False, None)
    cache.put("a", 4)
    assert (cache.get("a"), "c" in cache) == (4, True)
    assert "4" in str(cache)


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.text())
def test_every_line_gets_one_of_the_labels(labels, text):
    matched = utils.match_labels(text, labels)
    assert len(matched) == len(text.splitlines())
    assert set(matched) <= set(labels)


@given(st.data())
def test_an_exact_label_matches_itself(data):
    words = st.text(st.characters(categories=["L"]), min_size=1)
    labels = data.draw(st.lists(words, min_size=1, unique=True))
    label = data.draw(st.sampled_from(labels))
    assert utils.match_labels(label, labels) == [label]


def test_lines_are_matched_to_the_most_similar_label():
    labels = ["Positive", "Negative"]
    assert utils.match_labels("positive!\nnegativ", labels) == labels


@pytest.mark.parametrize(
    ("value", "needed"),
    [
        ("s3://bucket/1.jpg", True),
        ("gs://bucket/1.jpg", True),
        ("azure-blob://bucket/1.jpg", True),
        ("/data/local-files?d=x", True),
        ("/data/upload/1/a.jpg", True),
        ("upload/1/a.jpg", True),
        ("/upload/1/a.jpg", True),
        ("https://example.org/a.jpg", True),
        ("this is text", False),
        ("Note: see http://example.org", False),
        ("http://[broken", False),
        ("/data/other", False),
        ("a\0b", False),
        ("", False),
    ],
)
def test_values_that_name_files_are_recognised(value, needed):
    assert utils.is_preload_needed(value) is needed


def test_existing_files_must_be_named_by_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "docs").touch()
    monkeypatch.chdir(tmp_path)
    assert utils.is_preload_needed(str(tmp_path / "docs"))
    assert not utils.is_preload_needed("docs")


@given(st.text())
def test_any_text_is_classified(value):
    assert utils.is_preload_needed(value) in {True, False}


def test_equal_structures_compare_with_tolerance_for_floats():
    utils.compare_nested_structures(
        {"a": [1.0, {"b": "x"}]}, {"a": [1.00001, {"b": "x"}]}
    )


@pytest.mark.parametrize(
    ("a", "b", "where"),
    [
        ({"a": [1.0]}, {"a": [1.1]}, r"\.a\[0\]"),
        ({"a": 1}, {"b": 1}, "the top"),
        ([1], [1, 2], "the top"),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, r"\.a\.b"),
    ],
)
def test_the_error_for_different_structures_names_the_position(a, b, where):
    with pytest.raises(AssertionError, match=where):
        utils.compare_nested_structures(a, b)


def test_the_key_of_plain_text_tasks_is_label_studios():
    assert utils.DATA_UNDEFINED_NAME == "$undefined$"
