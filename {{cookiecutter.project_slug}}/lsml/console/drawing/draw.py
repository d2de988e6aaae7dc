"""Chooses the drawing of a result: one picture per object tag, or per region alone."""

from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.console.drawing import image, text, timeline, values
from lsml.console.drawing.parts import Canvas, Picture, Region
from lsml.console.templatetags.console import pretty_json

Alone = Callable[[Region, Canvas], SafeString | None]

ALONE: Final[dict[str, Alone]] = {
    "choices": values.draw_choices,
    "taxonomy": values.draw_taxonomy,
    "rating": values.draw_rating,
    "number": values.draw_plain,
    "datetime": values.draw_plain,
    "pairwise": values.draw_pair,
    "ranker": values.draw_ranking,
    "textarea": text.draw_written,
}
IN_TEXT: Final = {"labels", "hypertextlabels", "paragraphlabels"}
ON_IMAGE: Final = {
    f"{shape}{suffix}"
    for shape in ("rectangle", "ellipse", "polygon", "keypoint", "brush")
    for suffix in ("", "labels")
}
IN_TIME: Final = {"timeserieslabels", "timelinelabels"}
_MEDIA: Final = {"Audio", "AudioPlus", "Video"}
REGIONS_MAX: Final = 2_000  # of one result; more would only cover each other


def draw(result: Any, canvas: Canvas) -> list[Picture]:
    """Draw every region of a result; regions that cannot be drawn become JSON."""
    if not isinstance(result, list):
        return [_json(_("Result"), result)] if result is not None else []
    read = [Region.read(raw) for raw in result[:REGIONS_MAX]]
    regions = [region for region in read if region]
    pictures: list[Picture] = []
    for (family, to_name), group in groupby(
        sorted(regions, key=lambda r: _place(r, canvas)),
        key=lambda r: _place(r, canvas),
    ):
        pictures += _drawn(family, to_name, list(group), canvas)
    links = [raw for raw in result if isinstance(raw, dict) and "from_id" in raw]
    unread = [
        raw
        for raw, region in zip(result, read, strict=False)
        if region is None and raw not in links
    ]
    if links:
        pictures.append(_relations(links, regions))
    if unread:
        pictures.append(_json(_("Not drawn"), unread))
    return pictures


def _place(region: Region, canvas: Canvas) -> tuple[str, str]:
    """Return family and object tag: equal for regions that share a picture."""
    if region.type in ON_IMAGE:
        return "image", region.to_name
    if region.type in IN_TIME or (
        region.type == "labels" and _is_media(region, canvas)
    ):
        return "time", region.to_name
    if region.type in IN_TEXT:
        return "text", region.to_name
    return "alone", region.to_name


def _is_media(region: Region, canvas: Canvas) -> bool:
    objects = canvas.config.objects if canvas.config else ()
    kind = next((tag.type for tag in objects if tag.name == region.to_name), "")
    return kind in _MEDIA or "channel" in region.value


def _drawn(
    family: str, to_name: str, regions: list[Region], canvas: Canvas
) -> list[Picture]:
    if family == "alone":
        return [_alone(region, canvas) for region in regions]
    markup, origins = None, frozenset[str]()
    if family == "image":
        markup, origins = image.draw_image(regions, canvas) or (None, origins)
    elif family == "time":
        markup = timeline.draw_timeline(regions, canvas)
    else:
        markup = text.draw_spans(regions, canvas)
    if markup is None:
        return [_json(to_name, [region.raw for region in regions])]
    return [Picture(to_name, markup, origins)]


def _alone(region: Region, canvas: Canvas) -> Picture:
    drawing = ALONE.get(region.type)
    markup = drawing(region, canvas) if drawing else None
    if markup is None:
        return _json(f"{region.from_name} ({region.type})", region.raw)
    return Picture(region.from_name, markup)


def _relations(links: list[dict[str, Any]], regions: list[Region]) -> Picture:
    names = {region.id: region.caption() for region in regions}

    def name(link: dict[str, Any], key: str) -> str:
        identity = str(link.get(key, ""))
        return names.get(identity, identity)

    arrows = {"left": "←", "bi": "↔"}
    rows = [
        (
            name(link, "from_id"),
            arrows.get(str(link.get("direction")), "→"),
            name(link, "to_id"),
        )
        for link in links
    ]
    lines = format_html_join("", "<li>{} {} {}</li>", rows)
    return Picture(_("Relations"), format_html('<ul class="c-list">{}</ul>', lines))


def _json(title: Any, value: Any) -> Picture:
    return Picture(str(title), pretty_json(value), note=_("shown as JSON"))
