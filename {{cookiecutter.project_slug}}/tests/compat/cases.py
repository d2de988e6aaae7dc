"""Label configs and requests for the models of this folder."""

import io

from PIL import Image, ImageDraw

TEXT = """<View><Text name="text" value="$text"/>
<Choices name="topic" toName="text"><Choice value="Sport"/><Choice value="Money"/>
</Choices></View>"""
SPANS = """<View><Labels name="label" toName="text"><Label value="Person"/></Labels>
<Text name="text" value="$text"/></View>"""
BOXES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image" model_score_threshold="0.5">
<Label value="Vehicle" predicted_values="car,truck"/>
<Label value="Boat"/></RectangleLabels></View>"""
BRUSH = """<View><Image name="image" value="$image"/>
<BrushLabels name="brush" toName="image"><Label value="Sky"/></BrushLabels>
<KeyPointLabels name="point" toName="image" smart="true"><Label value="Sky"/>
</KeyPointLabels></View>"""
PROMPT = """<View><Text name="text" value="$text"/>
<TextArea name="prompt" toName="text"/>
<Choices name="mood" toName="text"><Choice value="Positive"/><Choice value="Negative"/>
</Choices></View>"""
SERIES = """<View><TimeSeriesLabels name="label" toName="series"><Label value="High"/>
</TimeSeriesLabels><TimeSeries name="series" value="$csv" timeColumn="t">
<Channel column="y"/></TimeSeries></View>"""

CSV = b"t,y\n1,0.1\n2,0.9\n3,0.8\n4,0.2\n5,0.9\n"


def picture():
    """A PNG image of 100 by 80 pixels: a red box of 10 by 20 at (10, 20) on white."""
    image = Image.new("RGB", (100, 80), "white")
    ImageDraw.Draw(image).rectangle((10, 20, 19, 39), fill=(255, 0, 0))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def point(x, y, positive):
    """A key point in percent of `picture()`, as Label Studio sends it in a context."""
    return {
        "original_width": 100,
        "original_height": 80,
        "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": ["Sky"]},
        "is_positive": positive,
        "from_name": "point",
        "to_name": "image",
        "type": "keypointlabels",
    }
