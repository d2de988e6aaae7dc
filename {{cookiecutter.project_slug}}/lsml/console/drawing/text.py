"""Draws spans in texts and dialogues, and written text as a difference."""

import difflib
import re
from itertools import pairwise
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from lsml.console.drawing.parts import Canvas, Region, hue

CHARS_MAX = 50_000
_WORDS = re.compile(r"\S+\s*|\s+")


def draw_spans(regions: list[Region], canvas: Canvas) -> SafeString | None:
    """Draw a text with its spans marked; overlapping spans stay readable."""
    shown = canvas.shown(regions[0].to_name)
    if isinstance(shown, list):
        return dialogue(regions, shown)
    if not isinstance(shown, str):
        return None
    spans = [_span(region.value, "start", "end") for region in regions]
    if None in spans:
        return None
    pairs = [(span, r) for span, r in zip(spans, regions, strict=True) if span]
    return format_html('<p class="c-text">{}</p>', marked(shown, pairs))


def marked(text: str, spans: list[tuple[tuple[int, int], Region]]) -> SafeString:
    """Put `<mark>` around the spans, which count UTF-16 units as JavaScript does."""
    units = text[:CHARS_MAX].encode("utf-16-le", "surrogatepass")
    length = len(units) // 2
    cut = [
        ((min(start, length), min(end, length)), region)
        for (start, end), region in spans
    ]
    borders = sorted({0, length, *(place for span, _ in cut for place in span)})
    pieces = []
    for start, end in pairwise(borders):
        piece = units[2 * start : 2 * end].decode("utf-16-le", "replace")
        over = [(s, r) for s, r in cut if s[0] <= start and end <= s[1]]
        pieces.append(_piece(piece, over, end))
    rest = format_html("<em> … {} more</em>", len(text) - CHARS_MAX)
    return format_html_join("", "{}", ((p,) for p in pieces)) + (
        rest if len(text) > CHARS_MAX else mark_safe("")
    )


def _piece(
    piece: str, over: list[tuple[tuple[int, int], Region]], end: int
) -> SafeString:
    if not over:
        return format_html("{}", piece)
    ends = [region for span, region in over if span[1] == end]
    tags = format_html_join(
        "",
        '<span class="c-tag c-hue-{}">{}</span>',
        ((hue(_first(region)), region.caption()) for region in ends),
    )
    return format_html(
        '<mark class="c-span c-hue-{}" title="{}">{}</mark>{}',
        hue(_first(over[-1][1])),
        " + ".join(region.caption() for _, region in over),
        piece,
        tags,
    )


def _first(region: Region) -> str:
    return next(iter(region.labels()), region.from_name)


def _span(value: dict[str, Any], start: str, end: str) -> tuple[int, int] | None:
    """Read the offsets of a span; hypertext has them in `globalOffsets`."""
    offsets = value.get("globalOffsets")
    source = offsets if isinstance(offsets, dict) else value
    try:
        pair = int(source[start]), int(source[end])
    except (KeyError, TypeError, ValueError):
        return None
    return pair if 0 <= pair[0] <= pair[1] else None


def dialogue(regions: list[Region], turns: list[Any]) -> SafeString | None:
    """Draw a dialogue turn by turn; None if a span covers several turns."""
    spans: dict[int, list[tuple[tuple[int, int], Region]]] = {}
    for region in regions:
        turn = _span(region.value, "start", "end")
        span = _span(region.value, "startOffset", "endOffset")
        if turn is None or span is None or turn[0] != turn[1]:
            return None  # the caller shows it as JSON
        spans.setdefault(turn[0], []).append((span, region))
    lines = []
    for index, turn_data in enumerate(turns[:500]):
        part = turn_data if isinstance(turn_data, dict) else {"text": turn_data}
        text = str(part.get("text", part.get("content", "")))
        who = str(part.get("author", part.get("role", "")))
        lines.append((who, marked(text, spans.get(index, []))))
    return format_html_join("", '<p class="c-text"><b>{}</b> {}</p>', lines)


def draw_written(region: Region, canvas: Canvas) -> SafeString | None:
    """Draw the texts of a text area, as a difference if there is an earlier result."""
    texts = _texts(region.value)
    if texts is None:
        return None
    before = next(
        (
            _texts(other.value)
            for other in map(Region.read, canvas.before)
            if other
            and (other.from_name, other.type) == (region.from_name, region.type)
        ),
        None,
    )
    new = "\n".join(texts)
    if before is None:
        return format_html('<p class="c-text">{}</p>', new)
    return format_html('<p class="c-text">{}</p>', difference("\n".join(before), new))


def _texts(value: dict[str, Any]) -> list[str] | None:
    texts = value.get("text")
    if isinstance(texts, str):
        return [texts]
    return [str(text) for text in texts] if isinstance(texts, list) else None


def difference(old: str, new: str) -> SafeString:
    """Mark the words that were deleted and inserted."""
    left, right = _WORDS.findall(old[:CHARS_MAX]), _WORDS.findall(new[:CHARS_MAX])
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=len(left) > 2_000)
    parts = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            parts.append(format_html("{}", "".join(left[a:b])))
            continue
        if a < b:
            parts.append(format_html("<del>{}</del>", "".join(left[a:b])))
        if c < d:
            parts.append(format_html("<ins>{}</ins>", "".join(right[c:d])))
    return format_html_join("", "{}", ((part,) for part in parts))
