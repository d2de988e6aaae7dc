"""Curves: learning curves, latency by hour, a score by version."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lsml.console.charts import axes
from lsml.console.numbers import readable, short

_DOTS_MAX = 60  # with more points, only the curve is drawn
_CAP = 4  # half the width of an interval's ends


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: x in the unit of the chart, y as shown."""

    name: str
    points: list[tuple[float, float]]
    intervals: dict[float, tuple[float, float]] = field(default_factory=dict)  # by x


def line_chart(
    label: str,
    series: list[Series],
    *,
    marks: list[tuple[float, str]] | None = None,
    starred: frozenset[float] = frozenset(),
    write: Callable[[float], str] | None = None,
    low: float = 0.0,
) -> SafeString | None:
    """Draw the curves over one pair of axes; None without a point.

    Args:
        label: For screen readers.
        series: At most SERIES_MAX; colours repeat after that.
        marks: Labels below the chart, by x; default: first and last x.
        starred: The x of points drawn large, such as promoted versions.
        write: Formats a value of the y axis; default: a plain number.
        low: Where the y axis begins, unless a value is below it.
    """
    points = [point for each in series for point in each.points]
    if not points:
        return None
    ends = [end for each in series for both in each.intervals.values() for end in both]
    xs, ys = [x for x, _ in points], [*(y for _, y in points), *ends]
    low_x, high_x = min(xs), max(xs)
    low_y = min(low, *ys)
    high_y = axes.round_up(max(ys)) if max(ys) > 0 else 1.0
    words = marks or [(x, readable(x)) for x in sorted({low_x, high_x})]
    curves = [
        _curve(n, each, starred, (low_x, high_x), (low_y, high_y), write or readable)
        for n, each in enumerate(series)
    ]
    body = format_html(
        "{}{}{}",
        axes.grid(axes.quarters(low_y, high_y), write or short),
        axes.ticks((axes.place_x(x, low_x, high_x), word) for x, word in words),
        format_html_join("", "{}", ((curve,) for curve in curves)),
    )
    return axes.framed(label, body, [each.name for each in series])


def _curve(
    index: int,
    series: Series,
    starred: frozenset[float],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    write: Callable[[float], str],
) -> SafeString:
    placed = [
        (axes.place_x(x, *x_range), axes.place_y(y, *y_range), x, y)
        for x, y in series.points
    ]
    whiskers = [
        (
            _whisker(
                axes.place_x(x, *x_range), *(axes.place_y(y, *y_range) for y in ends)
            ),
        )
        for x, ends in series.intervals.items()
    ]
    dots = format_html_join(
        "",
        '<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}: {}{}</title></circle>',
        (
            (
                "c-star" if x in starred else "c-dot",
                f"{px:.1f}",
                f"{py:.1f}",
                6 if x in starred else 3,
                series.name,
                write(y),
                _between(series.intervals.get(x), write),
            )
            for px, py, x, y in placed
        ),
    )
    return format_html(
        '<g class="c-series-{}"><polyline points="{}"/>{}{}</g>',
        index % axes.SERIES_MAX,
        " ".join(f"{px:.1f},{py:.1f}" for px, py, _, _ in placed),
        format_html_join("", '<path class="c-whisker" d="{}"/>', whiskers),
        dots if len(placed) <= _DOTS_MAX else "",
    )


def _whisker(x: float, bottom: float, top: float) -> str:
    """Return the path of a vertical line between two short ones."""
    cap = f"h{2 * _CAP}"
    return (
        f"M{x - _CAP:.1f} {bottom:.1f}{cap}M{x - _CAP:.1f} {top:.1f}{cap}"
        f"M{x:.1f} {bottom:.1f}V{top:.1f}"
    )


def _between(ends: tuple[float, float] | None, write: Callable[[float], str]) -> str:
    return f" ({write(ends[0])} to {write(ends[1])})" if ends else ""
