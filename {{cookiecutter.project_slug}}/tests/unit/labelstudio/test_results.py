"""What a result says, whatever its order, scores and IDs."""

from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.results import meaning, words_of


def region(value, **more):
    return {"from_name": "a", "to_name": "b", "type": "labels", "value": value, **more}


FIRST = region({"start": 0, "end": 3, "labels": ["PER"]})
SECOND = region({"start": 5, "end": 9, "labels": ["LOC"]})


def test_scores_ids_and_the_order_of_regions_and_keys_do_not_matter():
    again = dict(reversed((FIRST | {"id": "x", "score": 0.5}).items()))
    assert meaning([FIRST, SECOND]) == meaning([SECOND, again])


def test_another_value_or_control_means_something_else():
    assert meaning([FIRST]) != meaning([SECOND])
    assert meaning([FIRST]) != meaning([FIRST | {"from_name": "other"}])
    assert meaning([FIRST]) != meaning([])


def test_the_words_of_a_result_are_its_labels_choices_and_texts():
    text = region({"text": ["hello"]}, type="textarea")
    assert words_of([FIRST, text, SECOND]) == ["PER", "hello", "LOC"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "type", "x"]), inner, max_size=3)
    ),
)


@given(_JSON)
def test_any_json_can_be_read(result):
    assert meaning(result) == meaning(result)
    assert all(isinstance(word, str) for word in words_of(result))
