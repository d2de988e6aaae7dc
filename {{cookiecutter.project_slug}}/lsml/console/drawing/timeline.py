"""Draws regions in time: over the curves of a time series, or on a bar."""

from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.console.drawing.parts import Canvas, Region, hue, number
from lsml.console.numbers import readable

_WIDTH, _CURVE, _GAP = 1000.0, 90.0, 10.0
_POINTS_MAX = 1_000  # per curve: about the width of a screen
_CURVES_MAX = 4
_TIME_NAMES = ("time", "timestamp", "ts", "date", "datetime")


def draw_timeline(regions: list[Region], canvas: Canvas) -> SafeString | None:
    """Draw the curves in the task's data, if any, and shade the regions."""
    stretches = [_stretch(region.value) for region in regions]
    if None in stretches:
        return None
    spans = [span for span in stretches if span]
    return _drawn(regions, spans, canvas.shown(regions[0].to_name))


def draw_series(shown: Any) -> SafeString | None:
    """Draw the curves of a time series without regions."""
    return _drawn([], [], shown) if _curves(shown)[1] else None


def _drawn(
    regions: list[Region], spans: list[tuple[float, float]], shown: Any
) -> SafeString:
    times, curves = _curves(shown)
    ends = [*times, *(end for span in spans for end in span)]
    low, high = min(ends), max(ends)
    if not times:
        low = min(low, 0.0)
    scale = _WIDTH / ((high - low) or 1.0)
    height = max(len(curves), 1) * (_CURVE + _GAP)
    drawn = [
        _curve(times, values, n * (_CURVE + _GAP), low, scale)
        for n, (_name, values) in enumerate(curves)
    ]
    names = [
        (n * (_CURVE + _GAP) + 14, name) for n, (name, _values) in enumerate(curves)
    ]
    shades = [
        _shade(region, span, low, scale, height)
        for region, span in zip(regions, spans, strict=True)
    ]
    return format_html(
        '<svg class="c-timeline" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '{}{}{}</svg><p class="c-hint">{} – {}</p>',
        _WIDTH,
        height,
        ", ".join(region.caption() for region in regions) or _("Time series"),
        format_html_join("", "{}", ((shade,) for shade in shades)),
        format_html_join("", "{}", ((curve,) for curve in drawn)),
        format_html_join("", '<text class="c-axis" x="4" y="{}">{}</text>', names),
        readable(low),
        readable(high),
    )


def _shade(
    region: Region, span: tuple[float, float], low: float, scale: float, height: float
) -> SafeString:
    label = next(iter(region.labels()), region.from_name)
    x = (span[0] - low) * scale
    return format_html(
        '<g class="c-shape c-hue-{}"><title>{}: {} – {}</title>'
        '<rect x="{}" y="0" width="{}" height="{}"/>'
        '<text x="{}" y="{}" font-size="15">{}</text></g>',
        hue(label),
        region.caption(),
        region.value.get("start", ""),
        region.value.get("end", ""),
        f"{x:.1f}",
        f"{max((span[1] - span[0]) * scale, 2):.1f}",
        height,
        f"{x + 4:.1f}",
        height - 6,
        region.caption(),
    )


def _curve(
    times: list[float], values: list[float], top: float, low: float, scale: float
) -> SafeString:
    step = max(len(values) // _POINTS_MAX, 1)
    least, most = min(values), max(values)
    tall = _CURVE / ((most - least) or 1.0)
    points = " ".join(
        f"{(t - low) * scale:.1f},{top + _CURVE - (v - least) * tall:.1f}"
        for t, v in zip(times[::step], values[::step], strict=False)
    )
    return format_html('<polyline class="c-curve" points="{}"/>', points)


def _curves(shown: Any) -> tuple[list[float], list[tuple[str, list[float]]]]:
    """Read times and named curves of a time series in the task's data."""
    if not isinstance(shown, dict):
        return [], []
    columns = {
        str(name): numbers
        for name, column in shown.items()
        if isinstance(column, list) and (numbers := _column(column))
    }
    if not columns:
        return [], []
    name = next((n for n in columns if n.lower() in _TIME_NAMES), next(iter(columns)))
    times = columns.pop(name)
    fitting = [(n, v) for n, v in columns.items() if len(v) == len(times)]
    return times, fitting[:_CURVES_MAX]


def _column(column: list[Any]) -> list[float] | None:
    found = [instant(item) for item in column]
    return None if None in found else [item for item in found if item is not None]


def _stretch(value: dict[str, Any]) -> tuple[float, float] | None:
    start, end = instant(value.get("start")), instant(value.get("end"))
    return (start, end) if start is not None and end is not None else None


def instant(value: Any) -> float | None:
    """Read a time: a number unchanged, a date as seconds since 1970."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            return None
    return number(value)
