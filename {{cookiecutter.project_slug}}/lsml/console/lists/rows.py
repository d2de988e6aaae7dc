"""The rows of a list as HTML.

unfold's own tag works out all columns again for each row and repeats forty CSS classes
in each cell. Here console.css has the look of a cell, once. Left out is what no list of
the console has: actions, sorting by a column, and editing.
"""

from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import ManyToOneRel, Model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.utils import display_for_field, display_for_value
from unfold.views import ChangeList


def heads(changes: ChangeList) -> list[str]:
    """Return the heads of the columns."""
    return [
        capfirst(str(label_for_field(column, changes.model, changes.model_admin)))
        for column in changes.list_display
    ]


def rows(changes: ChangeList, labels: list[str]) -> list[SafeString]:
    """Return the cells of each row. The first one links to the page of the row.

    Args:
        changes: The list, with its page of rows already read.
        labels: The heads of the columns. Narrow screens show them beside each value.
    """
    return [_row(changes, labels, row) for row in changes.result_list]


def _row(changes: ChangeList, labels: list[str], row: Model) -> SafeString:
    first, *others = (_text(changes, row, column) for column in changes.list_display)
    filters = {"preserved_filters": changes.preserved_filters, "opts": changes.opts}
    address = add_preserved_filters(filters, changes.url_for_result(row))
    head = format_html(
        '<th data-label="{}"><a href="{}">{}</a></th>', labels[0], address, first
    )
    cells = zip(labels[1:], others, strict=True)
    return head + format_html_join("", '<td data-label="{}">{}</td>', cells)


def _text(changes: ChangeList, row: Model, column: str) -> Any:
    """Return what a cell shows: of a column of the table, or of a method."""
    admin = changes.model_admin
    empty = admin.get_empty_value_display()
    field, method, value = lookup_field(column, row, admin)
    if field is None:
        return display_for_value(value, empty, getattr(method, "boolean", False))
    if isinstance(field.remote_field, ManyToOneRel):
        return value or empty
    return display_for_field(value, field, empty)
