"""Periods of time as bars: training runs."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lsml.console.charts import axes

_ROW = 22


@dataclass(frozen=True, slots=True)
class Span:
    """One period; `state` determines its colour."""

    row: str
    title: str
    state: str
    start: datetime
    end: datetime
    address: str


def span_chart(
    label: str, spans: list[Span], *, since: datetime, until: datetime
) -> SafeString | None:
    """Draw the periods, one row for each name; None if there are none."""
    if not spans:
        return None
    rows = list(dict.fromkeys(span.row for span in spans))
    low, high = since.timestamp(), until.timestamp()
    bars = []
    for span in spans:
        start = axes.place_x(max(span.start.timestamp(), low), low, high)
        end = axes.place_x(min(span.end.timestamp(), high), low, high)
        y = rows.index(span.row) * _ROW + 4
        width = f"{max(end - start, 5):.1f}"
        place = (f"{start:.1f}", y, width, _ROW - 8)
        bars.append((span.address, span.title, span.state, *place, span.title))
    names = [(4, n * _ROW + 16, row[:24]) for n, row in enumerate(rows)]
    return format_html(
        '<figure class="c-chart"><svg viewBox="0 0 {} {}" role="group" aria-label="{}">'
        "{}{}</svg></figure>",
        axes.WIDTH,
        len(rows) * _ROW + 4,
        label,
        format_html_join("", '<text class="c-axis" x="{}" y="{}">{}</text>', names),
        format_html_join(
            "",
            '<a href="{}" aria-label="{}"><rect class="c-run c-run-{}" x="{}" y="{}"'
            ' width="{}" height="{}" rx="3"><title>{}</title></rect></a>',
            bars,
        ),
    )
