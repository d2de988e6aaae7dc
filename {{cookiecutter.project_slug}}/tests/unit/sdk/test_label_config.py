"""The quick reader of label configs returns what label-studio-sdk returns."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface

from label_studio_ml.label_config import first_tag_pair
from label_studio_ml.model import LabelStudioMLBase

names = st.sampled_from(["a", "B", "c", "image", "text"])
sources = st.builds(
    '<{} name="{}" {}/>'.format,
    st.sampled_from(["Text", "Image", "text", "Filter", "Chat", "TimeSeries"]),
    names,
    st.sampled_from(['value="$text"', 'value="$$t"', 'valueList="$l" value="$v"', ""]),
)
controls = st.builds(
    '<{0} name="{1}" toName="{2}"><Label value="L"/></{0}>'.format,
    st.sampled_from(["Choices", "Labels", "RectangleLabels", "Filter", "TextArea"]),
    names,
    st.sampled_from(["text", "image", "image,text", "nowhere", "a"]),
)
configs = st.lists(
    st.one_of(sources, controls, st.just("<!-- <Text/> -->"), st.just("<Header/>"))
).map(lambda tags: f"<View>{''.join(tags)}</View>")
types = st.sampled_from(
    ["Choices", "labels", "TextArea", "Chat", ("Labels", "Choices"), "Text", "Image"]
)
filters = st.sampled_from([None, lambda name: name == "b", lambda name: name > "b"])


@given(configs, types, types, filters, filters)
def test_a_match_equals_the_match_of_the_interface(
    config, control_type, object_type, name_filter, to_name_filter
):
    wanted = {
        "control_type": control_type,
        "object_type": object_type,
        "name_filter": name_filter,
        "to_name_filter": to_name_filter,
    }
    found = first_tag_pair(config, **wanted)
    if found is not None:
        assert found == LabelInterface(config).get_first_tag_occurence(**wanted)


CONFIG = """<View><Text name="t" value="$text"/>
<Choices name="s" toName="t"><Choice value="A"/></Choices></View>"""


def test_a_common_config_is_read_without_the_slow_import():
    script = (
        "import sys; from label_studio_ml.model import LabelStudioMLBase\n"
        f"model = LabelStudioMLBase('1', {CONFIG!r})\n"
        "print(model.get_first_tag_occurence('Choices', 'Text'))\n"
        "print('label_studio_sdk.label_interface' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["('s', 't', 'text')", "False"]


def test_missing_tags_raise_label_studio_sdks_own_error():
    with pytest.raises(ValueError, match="No control tag of type Labels"):
        LabelStudioMLBase("1", CONFIG).get_first_tag_occurence("Labels", "Text")


def test_an_assigned_interface_is_used():
    model = LabelStudioMLBase("1", CONFIG)
    other = CONFIG.replace('"s"', '"mine"')
    model.label_interface = LabelInterface(other)
    assert model.get_first_tag_occurence("Choices", "Text")[0] == "mine"
