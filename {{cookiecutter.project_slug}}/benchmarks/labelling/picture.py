"""Draws learning curves as a stand-alone SVG, with the scales of the admin's charts."""

import html
import math
from collections.abc import Iterator, Sequence

from benchmarks.labelling.report import RANDOM, Curve, Result, average
from lsml.console.charts.axes import (
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    grid,
    place_x,
    place_y,
    ticks,
)

_TITLE, _LEGEND, _GAP = 30, 46, 14  # pixels
_UNITS = "accuracy by number of labels"
STYLE = """
svg { --ground: #fff; --line: #e5e7eb; --faint: #4b5563; --strong: #111827;
  --c0: #78716c; --c1: #4f46e5; --c2: #d97706; --c3: #059669 }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --line: #30363d; --faint: #9ca3af; --strong: #f3f4f6;
    --c0: #a8a29e; --c1: #818cf8; --c2: #fbbf24; --c3: #34d399 }
}
.ground { fill: var(--ground) }
.c-grid { stroke: var(--line) }
text { fill: var(--faint); font: 13px system-ui, sans-serif }
.title { fill: var(--strong); font-weight: 600; font-size: 15px }
polyline { fill: none; stroke-width: 2 }
.goal { stroke: var(--c0); stroke-dasharray: 4 4 }
.band { stroke: none; opacity: 0.15 }
"""


def draw(results: Sequence[Result]) -> str:
    """Draw a panel per data set: the mean of all seeds, in the band of all seeds."""
    names = list(results[0].curves)
    panel = _TITLE + HEIGHT + _GAP
    height = _LEGEND + panel * len(results)
    colours = "\n".join(
        f".s{n} {{ stroke: var(--c{n}); fill: var(--c{n}) }}" for n in range(len(names))
    )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img"'
            ' aria-label="Accuracy by number of labels">',
            f"<style>{STYLE}{colours}\n</style>",
            '<rect class="ground" width="100%" height="100%"/>',
            *_legend(names),
            *(
                line
                for n, result in enumerate(results)
                for line in _panel(result, _LEGEND + n * panel)
            ),
            "</svg>\n",
        )
    )


def _legend(names: Sequence[str]) -> Iterator[str]:
    for n, name in enumerate(names):
        x = LEFT + 110 * n
        yield f'<rect class="s{n}" x="{x}" y="16" width="12" height="12" rx="3"/>'
        yield f'<text x="{x + 18}" y="27">{html.escape(name)}</text>'
    x = LEFT + 110 * len(names)
    yield f'<line class="goal" x1="{x}" x2="{x + 24}" y1="22" y2="22"/>'
    yield f'<text x="{x + 30}" y="27">what {RANDOM} reaches with all labels</text>'


def _panel(result: Result, top: int) -> Iterator[str]:
    curves = [curve for each in result.curves.values() for curve in each]
    labels = [count for count, _ in curves[0]]
    x_range = (labels[0], labels[-1])
    y_range = _axis([accuracy for curve in curves for _, accuracy in curve])
    yield f'<g transform="translate(0 {top + _TITLE})">'
    yield f'<text class="title" x="{LEFT}" y="-6">{html.escape(result.name)}</text>'
    right = WIDTH - RIGHT
    yield f'<text x="{right}" y="-6" text-anchor="end">{_UNITS}</text>'
    yield grid(*y_range, _percent)
    yield ticks((place_x(count, *x_range), str(count)) for count in _marks(labels))
    goal = place_y(average(result.curves[RANDOM])[-1][1], *y_range)
    yield (
        f'<line class="goal" x1="{LEFT}" x2="{right}" y1="{goal:.1f}" y2="{goal:.1f}"/>'
    )
    for n, (name, of_seeds) in enumerate(result.curves.items()):
        steps = list(zip(*of_seeds, strict=True))
        lowest = [(step[0][0], min(a for _, a in step)) for step in steps]
        highest = [(step[0][0], max(a for _, a in step)) for step in steps]
        band = _points(lowest + highest[::-1], x_range, y_range)
        yield f'<polygon class="s{n} band" points="{band}"/>'
        line = _points(average(of_seeds), x_range, y_range)
        yield (
            f'<polyline class="s{n}" style="fill:none" points="{line}">'
            f"<title>{html.escape(name)}</title></polyline>"
        )
    yield "</g>"


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Return a range around the values that `grid` divides at multiples of 2.5 %."""
    low = math.floor(40 * min(values))
    height = 4 * math.ceil((math.ceil(40 * max(values)) - low) / 4)
    high = min(low + height, 40)
    return (high - height) / 40, high / 40


def _percent(accuracy: float) -> str:
    return f"{100 * accuracy:g}%"


def _marks(labels: Sequence[int]) -> list[int]:
    return [n for n in labels if n in {labels[0], labels[-1]} or n % 100 == 0]


def _points(
    curve: Curve, x_range: tuple[float, float], y_range: tuple[float, float]
) -> str:
    return " ".join(
        f"{place_x(labels, *x_range):.1f},{place_y(accuracy, *y_range):.1f}"
        for labels, accuracy in curve
    )
