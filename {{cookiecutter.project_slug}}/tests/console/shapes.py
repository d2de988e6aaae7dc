"""Predictions of every type that is drawn, over an image that needs no network."""

import base64
import copy
import struct
import zlib

from django.utils import timezone

from lsml.dataset.models import Annotation, Task
from tests.console import factory

CONFIG = """<View>
  <Image name="image" value="$image"/><Text name="text" value="$text"/>
  <TimeSeries name="ts" value="$ts"/><Audio name="audio" value="$audio"/>
  <RectangleLabels name="box" toName="image"><Label value="Cat"/></RectangleLabels>
  <PolygonLabels name="outline" toName="image"><Label value="Roof"/></PolygonLabels>
  <KeyPointLabels name="point" toName="image"><Label value="Nose"/></KeyPointLabels>
  <EllipseLabels name="oval" toName="image"><Label value="Eye"/></EllipseLabels>
  <BrushLabels name="brush" toName="image"><Label value="Road"/></BrushLabels>
  <Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>
  <TimeSeriesLabels name="tsl" toName="ts"><Label value="Run"/></TimeSeriesLabels>
  <Rating name="stars" toName="text"/><TextArea name="words" toName="text"/>
  <Taxonomy name="tree" toName="text"/><Number name="n" toName="text"/>
  <Pairwise name="pair" toName="text,image"/>
</View>"""
WIDTH, HEIGHT = 320, 200


def picture():
    """A small landscape, as a data URL."""
    lines = b"".join(
        b"\0" + bytes(c for x in range(WIDTH) for c in _colour(x, y))
        for y in range(HEIGHT)
    )
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )  # fmt: skip
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _colour(x, y):
    if 120 < x < 200 and 70 < y < 150:
        return (196, 98, 72)
    return (150 + y // 4, 190, 230) if y < 120 else (92, 142 + x // 12, 84)


def region(kind, name, value, to="text", **more):
    return {"type": kind, "from_name": name, "to_name": to, "value": value, **more}


def results():
    # Loads SciPy: a second for each process that collects the browser's tests.
    from label_studio_sdk.converter.brush import encode_rle

    size = {"original_width": WIDTH, "original_height": HEIGHT, "to": "image"}
    mask = [0, 0, 0, 0] * (WIDTH * HEIGHT)
    for y in range(160, 195):
        for x in range(20, 300):
            mask[4 * (y * WIDTH + x) + 3] = 255
    on_image = [
        region("rectanglelabels", "box",
               {"x": 38, "y": 36, "width": 25, "height": 40, "rotation": 0,
                "rectanglelabels": ["Cat"]}, score=0.93, **size),
        region("polygonlabels", "outline",
               {"points": [[37, 36], [50, 15], [63, 36]],
                "polygonlabels": ["Roof"]}, score=0.71, **size),
        region("keypointlabels", "point",
               {"x": 80, "y": 30, "width": 1.5, "keypointlabels": ["Nose"]}, **size),
        region("ellipselabels", "oval",
               {"x": 15, "y": 30, "radiusX": 8, "radiusY": 12, "rotation": 20,
                "ellipselabels": ["Eye"]}, **size),
        region("brushlabels", "brush",
               {"format": "rle", "rle": encode_rle(mask),
                "brushlabels": ["Road"]}, **size),
    ]  # fmt: skip
    in_text = [
        region("labels", "ner", {"start": 0, "end": 12, "labels": ["PER"]}, score=0.97),
        region("labels", "ner", {"start": 23, "end": 32, "labels": ["ORG"]}, score=0.8),
    ]
    others = [
        region("timeserieslabels", "tsl",
               {"start": 12, "end": 25, "timeserieslabels": ["Run"]}, to="ts"),
        region("rating", "stars", {"rating": 4}),
        region("textarea", "words", {"text": ["Ada worked on the engine."]}),
        region("taxonomy", "tree", {"taxonomy": [["People", "Science"]]}),
        region("number", "n", {"number": 7}),
        region("pairwise", "pair", {"selected": "left"}, to="text,text"),
        region("unheard-of", "odd", {"what": "ever"}),
    ]  # fmt: skip
    return on_image, in_text, others


def drawn_predictions():
    """Three predictions with their task: over an image, in a text, all the others."""
    of = factory.project("Pictures and texts", 2)
    of.label_config = CONFIG
    of.save()
    now = timezone.now()
    image, text, others = results()
    series = {"time": [*range(40)], "speed": [(n * 7) % 11 + n for n in range(40)]}
    written = "Ada Lovelace worked at Analytics in London."
    tasks = [
        ({"image": picture()}, image, answered_image(image)),
        ({"text": written}, text, text[:1]),
        ({"text": written, "ts": series}, others, others[:2]),
    ]
    rows = []
    for n, (data, result, answer) in enumerate(tasks):
        row = factory.prediction(of, at=now, n=n, result=result, task_id=900 + n)
        row.save()
        rows.append(row)
        Task.objects.create(project=of, task_id=900 + n, data=data, updated_at=now)
        Annotation.objects.create(
            project=of,
            annotation_id=5000 + n,
            task_id=900 + n,
            result=answer,
            completed_by=1,
            updated_at=now,
        )
    return rows


def answered_image(result):
    """An annotator's version: the box moved, the key point removed."""
    box, roof, _point, eye, road = copy.deepcopy(result)
    box["value"] |= {"x": 37, "y": 34, "width": 26, "height": 41}
    for region in (box, roof):
        del region["score"]
    return [box, roof, eye, road]
