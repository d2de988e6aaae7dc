"""Draws a task as annotators see it: texts, images and curves; the rest as JSON."""

from typing import Any, Final

from django.utils.html import format_html
from django.utils.translation import gettext as _

from lsml.console.drawing import image, text, timeline
from lsml.console.drawing.parts import Canvas, Picture, origin_of
from lsml.console.templatetags.console import pretty_json

_OBJECTS_MAX: Final = 8


def draw_task(canvas: Canvas) -> list[Picture]:
    """Draw one picture for each object tag; without a config, the data as JSON."""
    objects = canvas.config.objects if canvas.config else ()
    shown = [(tag.name, canvas.shown(tag.name)) for tag in objects[:_OBJECTS_MAX]]
    pictures = [
        _picture(name, value, canvas) for name, value in shown if value is not None
    ]
    if pictures:
        return pictures
    return [Picture(_("data"), pretty_json(canvas.data))] if canvas.data else []


def _picture(name: str, value: Any, canvas: Canvas) -> Picture:
    kinds = canvas.config.objects if canvas.config else ()
    kind = next((tag.type for tag in kinds if tag.name == name), "")
    address = image.image_address(value, canvas.hostname) if kind == "Image" else ""
    if address:
        markup = format_html(
            '<img class="c-image" src="{}" alt="{}">', address, _("the task's image")
        )
        return Picture(name, markup, frozenset({origin_of(address)} - {""}))
    if kind == "TimeSeries":
        curves = timeline.draw_series(value)
        if curves is not None:
            return Picture(name, curves)
    if isinstance(value, list) and kind == "Paragraphs":
        turns = text.dialogue([], value)
        if turns is not None:
            return Picture(name, turns)
    if isinstance(value, str | int | float):
        cut = str(value)[: text.CHARS_MAX]
        return Picture(name, format_html('<p class="c-text">{}</p>', cut))
    return Picture(name, pretty_json(value))
