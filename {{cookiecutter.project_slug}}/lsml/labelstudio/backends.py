"""The backends of a project in Label Studio that are at this service's address."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lsml.labelstudio.client import LabelStudio
    from lsml.labelstudio.reading import JsonObject


def is_at(url: str, backend: JsonObject) -> bool:
    """Whether a backend has this address."""
    return str(backend["url"]).rstrip("/") == url


def best_at(url: str, known: Iterable[JsonObject], *, title: str) -> JsonObject | None:
    """Return the backend at an address; None = there is none.

    Of several, a connected one is preferred, then one with the title.
    """
    return max(
        (each for each in known if is_at(url, each)),
        key=lambda each: (each.get("state") == "CO", each["title"] == title),
        default=None,
    )


def remove_duplicates(
    studio: LabelStudio, kept: JsonObject, known: Iterable[JsonObject]
) -> list[str]:
    """Leave one backend at its address. A repeated POST creates several.

    Returns:
        The titles of those that were removed.
    """
    url = str(kept["url"]).rstrip("/")
    others = [each for each in known if is_at(url, each) and each["id"] != kept["id"]]
    for other in others:
        studio.remove_backend(cast("int", other["id"]))
    return [str(other["title"]) for other in others]
