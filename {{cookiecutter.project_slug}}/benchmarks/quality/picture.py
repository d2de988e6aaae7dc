"""Draws the operating curves as a stand-alone SVG, like the admin's charts."""

from collections.abc import Iterator, Sequence

from benchmarks.labelling.picture import STYLE
from lsml.console.charts.axes import (
    HEIGHT,
    LEFT,
    WIDTH,
    grid,
    place_x,
    place_y,
    ticks,
)

_TOP = 62  # pixels
_COLOURS = "\n".join(
    f".s{n} {{ stroke: var(--c{n}); fill: var(--c{n}) }}" for n in range(4)
)


def draw(points: Sequence[int], curves: dict[float, list[float]]) -> str:
    """Draw, for each certainty, the share promoted by the true difference in points."""
    height = _TOP + HEIGHT
    label = "Share of versions promoted, by how much better they truly are"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img" aria-label="{label}">',
            f"<style>{STYLE}{_COLOURS}\n</style>",
            '<rect class="ground" width="100%" height="100%"/>',
            *_lines(points, curves, label),
            "</svg>\n",
        )
    )


def _lines(
    points: Sequence[int], curves: dict[float, list[float]], label: str
) -> Iterator[str]:
    for n, certainty in enumerate(curves):
        x = LEFT + 70 * n
        yield f'<rect class="s{n}" x="{x}" y="16" width="12" height="12" rx="3"/>'
        yield f'<text x="{x + 18}" y="27">{100 * certainty:.0f} %</text>'
    yield f'<text class="title" x="{LEFT}" y="54">{label} (points)</text>'
    yield f'<g transform="translate(0 {_TOP})">'
    yield grid(0, 1, lambda share: f"{100 * share:.0f} %")
    ends = points[0], points[-1]
    signed = ((place_x(n, *ends), f"{n:+d}" if n else "0") for n in points)
    yield ticks((x, text.replace("-", "−")) for x, text in signed)
    for n, curve in enumerate(curves.values()):
        places = " ".join(
            f"{place_x(at, *ends):.1f},{place_y(share, 0, 1):.1f}"
            for at, share in zip(points, curve, strict=True)
        )
        yield f'<polyline class="s{n}" style="fill:none" points="{places}"/>'
    yield "</g>"
