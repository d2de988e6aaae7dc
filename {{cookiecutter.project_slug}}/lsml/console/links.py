"""Addresses of lists and detail pages, and links to them."""

from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def page_of(model: type[Model] | Model, pk: Any = None) -> str:
    """Return the address of a detail page.

    Args:
        model: An object, or a table with the key of a row.
        pk: The key, where `model` is a table.
    """
    meta = model._meta
    key = model.pk if isinstance(model, Model) else pk
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[key])


def list_of(model: type[Model], **params: Any) -> str:
    """Return the address of a list with these filters."""
    meta = model._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return f"{address}?{query}" if query else address


def link(address: str, text: Any) -> SafeString:
    """Return a link; `text` is escaped."""
    return format_html('<a class="c-link" href="{}">{}</a>', address, text)


def link_to(target: Model | None, text: Any = None) -> Any:
    """Return a link to an object's page, or a dash for None."""
    if target is None:
        return "–"
    return link(page_of(target), str(target) if text is None else text)
