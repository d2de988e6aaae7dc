"""Rectangles, ellipses, polygons, key points and brush masks over the image."""

from collections.abc import Callable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lsml.console.drawing.brush import mask_png
from lsml.console.drawing.parts import Canvas, Region, hue, number, numbers, origin_of

_FALLBACK = (1000.0, 750.0)  # pixels, if no region gives the size of the image
_MASK_PIXELS_MAX = 24_000_000

Shape = Callable[[dict[str, Any], float, float], SafeString | None]


def image_address(shown: Any, hostname: str) -> str:
    """Return an address that the browser may load as an image, or "".

    Only http, https and embedded images are allowed: `s3://` and the like need
    credentials that a browser lacks, and other schemes could run code.
    """
    if not isinstance(shown, str):
        return ""
    if shown.startswith(("data:image/png", "data:image/jpeg", "data:image/webp")):
        return shown
    if shown.startswith("/") and not shown.startswith("//"):
        shown = hostname.rstrip("/") + shown
    return shown if origin_of(shown) else ""


def draw_image(
    regions: list[Region], canvas: Canvas
) -> tuple[SafeString, frozenset[str]] | None:
    """Draw the image with its regions; also return the origins it is loaded from."""
    width = next((r.width for r in regions if r.width), _FALLBACK[0])
    height = next((r.height for r in regions if r.height), _FALLBACK[1])
    if not (1 <= width <= 100_000 and 1 <= height <= 100_000):
        return None
    shapes = []
    for region in regions:
        shape = _shape(region, width, height)
        if shape is None:
            return None
        shapes.append(_labelled(region, shape, width, height))
    address = image_address(canvas.shown(regions[0].to_name), canvas.hostname)
    picture = format_html(
        '<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/>',
        address,
        _n(width),
        _n(height),
    )
    markup = format_html(
        '<svg class="c-image" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<rect class="c-image-ground" width="100%" height="100%"/>{}{}</svg>',
        _n(width),
        _n(height),
        ", ".join(region.caption() for region in regions),
        picture if address else "",
        format_html_join("", "{}", ((shape,) for shape in shapes)),
    )
    return markup, frozenset({origin_of(address)} - {""})


def _shape(region: Region, width: float, height: float) -> SafeString | None:
    value = region.value
    if "rle" in value:
        return _mask(region, width, height)
    for key, shape in _SHAPES:
        if key in value:
            return shape(value, width / 100, height / 100)
    return None


def _rectangle(value: dict[str, Any], sx: float, sy: float) -> SafeString | None:
    place = numbers(value, "x", "y", "width", "height")
    if place is None:
        return None
    x, y, w, h = place[0] * sx, place[1] * sy, place[2] * sx, place[3] * sy
    return format_html(
        '<rect x="{}" y="{}" width="{}" height="{}" transform="rotate({} {} {})"/>',
        *map(_n, (x, y, max(w, 0), max(h, 0), _turn(value), x, y)),
    )


def _ellipse(value: dict[str, Any], sx: float, sy: float) -> SafeString | None:
    place = numbers(value, "x", "y", "radiusX", "radiusY")
    if place is None:
        return None
    x, y, rx, ry = place[0] * sx, place[1] * sy, place[2] * sx, place[3] * sy
    return format_html(
        '<ellipse cx="{}" cy="{}" rx="{}" ry="{}" transform="rotate({} {} {})"/>',
        *map(_n, (x, y, max(rx, 0), max(ry, 0), _turn(value), x, y)),
    )


def _polygon(value: dict[str, Any], sx: float, sy: float) -> SafeString | None:
    points = []
    for point in value["points"] if isinstance(value["points"], list) else []:
        pair = [number(p) for p in point] if isinstance(point, list) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None:
            return None
        points.append(f"{_n(pair[0] * sx)},{_n(pair[1] * sy)}")
    return format_html('<polygon points="{}"/>', " ".join(points)) if points else None


def _point(value: dict[str, Any], sx: float, sy: float) -> SafeString | None:
    place = numbers(value, "x", "y")
    if place is None:
        return None
    radius = max((number(value.get("width")) or 0.8) * sx / 2, 2 * sx / 5)
    return format_html(
        '<circle cx="{}" cy="{}" r="{}"/>',
        *map(_n, (place[0] * sx, place[1] * sy, radius)),
    )


# The key that identifies a shape, in the order of the checks.
_SHAPES: tuple[tuple[str, Shape], ...] = (
    ("points", _polygon),
    ("radiusX", _ellipse),
    ("height", _rectangle),
    ("x", _point),
)


def _mask(region: Region, width: float, height: float) -> SafeString | None:
    if width * height > _MASK_PIXELS_MAX:
        return None
    label = next(iter(region.labels()), region.from_name)
    png = mask_png(region.value["rle"], int(width), int(height), hue(label))
    if png is None:
        return None
    return format_html(
        '<image href="data:image/png;base64,{}" width="{}" height="{}"/>',
        png,
        _n(width),
        _n(height),
    )


def _labelled(
    region: Region, shape: SafeString, width: float, height: float
) -> SafeString:
    label = next(iter(region.labels()), region.from_name)
    x, y = _anchor(region.value)
    size = max(width, height) / 45
    return format_html(
        '<g class="c-shape c-hue-{}"><title>{}</title>{}'
        '<text x="{}" y="{}" font-size="{}">{}</text></g>',
        hue(label),
        region.caption(),
        shape,
        _n(x * width / 100),
        _n(max(y * height / 100 - size / 3, size)),
        _n(size),
        region.caption(),
    )


def _anchor(value: dict[str, Any]) -> tuple[float, float]:
    points = value.get("points")
    if isinstance(points, list) and points:
        return float(points[0][0]), float(points[0][1])
    return number(value.get("x")) or 0.0, number(value.get("y")) or 0.0


def _turn(value: dict[str, Any]) -> float:
    return number(value.get("rotation")) or 0.0


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
