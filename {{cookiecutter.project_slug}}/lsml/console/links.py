"""Addresses of the console's pages, by object or by an audit row's plain id."""

from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def page_of(model: type[Model] | Model, pk: Any = None) -> str:
    """Address of a detail page."""
    meta = model._meta
    key = model.pk if isinstance(model, Model) else pk
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[key])


def list_of(model: type[Model], **params: Any) -> str:
    """Address of a list with these filters."""
    meta = model._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return f"{address}?{query}" if query else address


def link(address: str, text: Any) -> SafeString:
    """A link; `text` is escaped."""
    return format_html('<a class="c-link" href="{}">{}</a>', address, text)


def link_to(target: Model | None, text: Any = None) -> Any:
    """A link to the object's page; a dash for none."""
    if target is None:
        return "–"
    return link(page_of(target), str(target) if text is None else text)
