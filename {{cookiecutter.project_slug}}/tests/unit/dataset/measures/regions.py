"""Regions in Label Studio's form."""

from base64 import b64encode
from io import BytesIO

from PIL import Image


def region(kind, value, name="a", **facts):
    return {"from_name": name, "to_name": "t", "type": kind, "value": value, **facts}


def box(x, y, width, height, label="car", **more):
    value = {"x": x, "y": y, "width": width, "height": height, **more}
    return region("rectanglelabels", {**value, "rectanglelabels": [label]})


def ellipse(x, y, wide, high, **more):
    value = {"x": x, "y": y, "radiusX": wide, "radiusY": high, **more}
    return region("ellipselabels", {**value, "ellipselabels": ["car"]})


def polygon(*points, label="car"):
    value = {"points": [list(point) for point in points], "polygonlabels": [label]}
    return region("polygonlabels", value)


def keypoint(x, y, label="nose", **facts):
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [label]}
    return region("keypointlabels", value, **facts)


def vector(*points, label="bone"):
    vertices = [{"x": x, "y": y} for x, y in points]
    return region("vectorlabels", {"vertices": vertices, "vectorlabels": [label]})


def track(*keyframes, frames=100, label="car"):
    """Return a video box. A keyframe is (frame, x) or (frame, x, enabled)."""
    sequence = [
        {
            "frame": frame,
            "x": x,
            "y": 0,
            "width": 10,
            "height": 10,
            "enabled": not goes_on or goes_on[0],
        }
        for frame, x, *goes_on in keyframes
    ]
    value = {"framesCount": frames, "sequence": sequence, "labels": [label]}
    return region("videorectangle", value)


def span(start, end, label="PER", **more):
    return region("labels", {"start": start, "end": end, "labels": [label], **more})


def brush(rle, label="car"):
    value = {"format": "rle", "rle": list(rle), "brushlabels": [label]}
    return region("brushlabels", value)


def rle(pixels, *, bits=1):
    """Encode a mask, 0 or 1 a pixel, as one literal run of RGBA words of `bits`."""
    words = [word for pixel in pixels for word in (0, 0, 0, pixel)]
    code = f"{len(words):032b}{bits - 1:05b}" + f"{15:04b}" * 4
    code += f"000{len(words) - 1:016b}" + "".join(f"{word:0{bits}b}" for word in words)
    code += "0" * (-len(code) % 8)
    return list(int(code, 2).to_bytes(len(code) // 8))


def bitmask(rows, *, mode="RGBA", label="car"):
    """Return a PNG mask of rows of 0 and 1: black on transparent, or white on black."""
    picture = Image.new(mode, (len(rows[0]), len(rows)))
    on = {"RGBA": (0, 0, 0, 255), "L": 255}[mode]
    for y, row in enumerate(rows):
        for x, pixel in enumerate(row):
            if pixel:
                picture.putpixel((x, y), on)
    return _png(picture, label)


def white_png(width, height, *, black=None):
    picture = Image.new("L", (width, height), 255)
    if black:
        picture.putpixel(black, 0)
    return _png(picture, "car")


def _png(picture, label):
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    url = f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
    return region("bitmasklabels", {"imageDataURL": url, "bitmasklabels": [label]})


def ranker(*items):
    return region("ranker", {"ranker": {"a": list(items)}})


def relation(start, end, *labels, direction="right"):
    facts = {"type": "relation", "direction": direction, "labels": list(labels)}
    return {"from_id": start, "to_id": end, **facts}


def with_id(identity, found):
    return {**found, "id": identity}
