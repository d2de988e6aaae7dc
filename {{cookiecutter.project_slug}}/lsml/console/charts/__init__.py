"""Charts as SVG from the server: no JavaScript, nothing that the CSP forbids."""

from lsml.console.charts.columns import Stack, column_chart
from lsml.console.charts.lines import Series, line_chart
from lsml.console.charts.matrix import confusion_table
from lsml.console.charts.spans import Span, span_chart

__all__ = [
    "Series",
    "Span",
    "Stack",
    "column_chart",
    "confusion_table",
    "line_chart",
    "span_chart",
]
