"""A confusion matrix as a table; a cell is darker the larger its share of the row."""

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

_LABELS_MAX = 40


def confusion_table(matrix: Any) -> SafeString | None:
    """Draw `{"labels": […], "rows": [[…]]}`; None for any other value.

    Rows are annotated labels, columns are predicted labels.
    """
    if not isinstance(matrix, dict):
        return None
    labels: Any = matrix.get("labels")
    rows: Any = matrix.get("rows")
    if not _is_square(labels, rows):
        return None
    head = format_html_join("", '<th scope="col">{}</th>', ((n,) for n in labels))
    lines = (
        (label, format_html_join("", '<td class="c-heat-{}">{}</td>', _cells(row)))
        for label, row in zip(labels, rows, strict=True)
    )
    return format_html(
        '<div class="c-scroll" tabindex="0"><table class="c-matrix">'
        "<caption>{}</caption><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table></div>",
        _("Rows: annotated label. Columns: predicted label."),
        head,
        format_html_join("", '<tr><th scope="row">{}</th>{}</tr>', lines),
    )


def _cells(row: list[float]) -> list[tuple[int, float]]:
    total = sum(row) or 1
    return [(round(10 * value / total), value) for value in row]


def _is_square(labels: Any, rows: Any) -> bool:
    if not isinstance(labels, list) or not isinstance(rows, list):
        return False
    return 0 < len(labels) == len(rows) <= _LABELS_MAX and all(
        isinstance(row, list)
        and len(row) == len(labels)
        and all(isinstance(v, int | float) and v >= 0 for v in row)
        for row in rows
    )
