"""The frame of a chart: size, scales, grid lines and labels."""

import math
import sys
from collections.abc import Callable, Iterable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lsml.console.numbers import short

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 26
SERIES_MAX = 6  # more colours are hard to distinguish


def round_up(value: float) -> float:
    """Round up to 1, 2, 2.5, 5 or 10 times a power of ten: the top of an axis."""
    if value < sys.float_info.min:  # smaller ones have a power of ten of 0.0
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((s * power for s in (1, 2, 2.5, 5) if s * power >= value), 10 * power)


def whole_steps(most: float) -> list[int]:
    """Return the values of the grid lines of counts: whole numbers, two to five."""
    step = max(1, math.ceil(round_up(most / 4)))
    return list(range(0, math.ceil(most / step) * step + 1, step))


def place_x(value: float, low: float, high: float) -> float:
    """Return the pixels from the left."""
    return LEFT + (value - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)


def place_y(value: float, low: float, high: float) -> float:
    """Return the pixels from the top."""
    return (
        HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM)
    )


def quarters(low: float, high: float) -> list[float]:
    """Return the values of five grid lines."""
    return [low + (high - low) * n / 4 for n in range(5)]


def grid(steps: Sequence[float], write: Callable[[float], str] = short) -> SafeString:
    """Draw horizontal lines at these values, written by `write`."""
    low, high = steps[0], steps[-1]
    return format_html_join(
        "",
        '<line class="c-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="c-axis" x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (LEFT, WIDTH - RIGHT, y, y, LEFT - 6, f"{place_y(step, low, high) + 4:.1f}",
             write(step))
            for step in steps
            for y in [f"{place_y(step, low, high):.1f}"]
        ),
    )  # fmt: skip


def ticks(marks: Iterable[tuple[float, str]]) -> SafeString:
    """Draw labels below the chart, at these pixels from the left."""
    return format_html_join(
        "",
        '<text class="c-axis" x="{}" y="{}" text-anchor="middle">{}</text>',
        ((f"{x:.1f}", HEIGHT - 6, word) for x, word in marks),
    )


def framed(label: str, body: SafeString, names: list[str]) -> SafeString:
    """Put the chart into a figure with a legend."""
    legend = format_html_join(
        "",
        '<li><span class="c-dot c-series-{}"></span>{}</li>',
        ((n % SERIES_MAX, name) for n, name in enumerate(names)),
    )
    return format_html(
        '<figure class="c-chart" tabindex="0"><svg viewBox="0 0 {} {}" role="img"'
        ' aria-label="{}">{}</svg><ul class="c-legend">{}</ul></figure>',
        WIDTH,
        HEIGHT,
        label,
        body,
        legend if len(names) > 1 else "",
    )
