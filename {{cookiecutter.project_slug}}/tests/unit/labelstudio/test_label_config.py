"""Label configs are read as untrusted input."""

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.label_config import Control, ObjectTag, parse_label_config

SENTIMENT = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="sentiment" toName="text" choice="single">
    <Choice value="Positive"/>
    <Choice value="Negative" alias="neg"/>
  </Choices>
</View>
"""
BOMB = """<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]>
<View><Choices name="c" toName="t"><Choice value="&lol2;"/></Choices></View>"""


def test_controls_and_objects_are_found_with_their_labels():
    config = parse_label_config(SENTIMENT)
    assert config.controls == (
        Control("sentiment", "Choices", ("text",), ("Positive", "neg")),
    )
    assert config.objects == (ObjectTag("text", "Text", "$text"),)
    assert config.labels() == {"Positive", "neg"}


def test_nested_choices_belong_to_their_control():
    config = parse_label_config(
        '<View><Taxonomy name="t" toName="a,b"><Choice value="Animal">'
        '<Choice value="Cat"/></Choice></Taxonomy></View>'
    )
    assert config.controls[0].to_names == ("a", "b")
    assert config.labels() == {"Animal", "Cat"}


def test_saving_the_same_config_again_keeps_the_digest():
    saved = SENTIMENT.replace("\n", "\r\n    ").replace(
        'toName="text" choice="single"', "choice='single'  toName='text'"
    )
    again = saved.replace("<View>", "<!-- saved --><View>")
    assert parse_label_config(again).digest == parse_label_config(SENTIMENT).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("Positive", "Happy"), ("neg", "Neg"), ('choice="single"', 'choice="multiple"')],
)
def test_a_change_that_matters_to_a_model_changes_the_digest(old, new):
    changed = SENTIMENT.replace(old, new)
    assert parse_label_config(changed).digest != parse_label_config(SENTIMENT).digest


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("", "not well-formed"),
        ("no xml", "not well-formed"),
        ("<View><Text></View>", "not well-formed"),
        (BOMB, "entities"),
        ('<!DOCTYPE View SYSTEM "file:///etc/passwd"><View/>', "DTD"),
        ("<View><Text name='t' value='$t'/></View>", "no control tag"),
        ('<?xml version="1.0" encoding="utf-16"?>' + SENTIMENT.strip(), "encoding"),
        ("<View>" * 20_000 + "</View>" * 20_000, "deeper"),
        ("<View>" + " " * 1_000_000 + "</View>", "longer"),
        ("\ud800", "not well-formed"),
    ],
)
def test_a_config_that_cannot_be_served_is_refused_with_the_reason(xml, why):
    with pytest.raises(WireError, match=why) as refusal:
        parse_label_config(xml)
    assert refusal.value.field == "label_config"


@given(st.text() | st.text(alphabet="<>/&;!'\"= abView"))
def test_any_text_is_read_or_refused(xml):
    with suppress(WireError):  # any other exception fails the test
        parse_label_config(xml)


def test_label_configs_of_any_length_do_not_stay_in_memory():
    tracemalloc.start()
    for number in range(20):
        parse_label_config(f"<!-- {number} {'x' * 500_000} -->{SENTIMENT.strip()}")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
