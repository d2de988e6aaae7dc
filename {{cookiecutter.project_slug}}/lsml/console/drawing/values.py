"""Draws results without a position: choices, taxonomies, ratings, numbers, ranks."""

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.console.drawing.parts import Canvas, Region, hue, number
from lsml.console.numbers import readable

_OFFERED_MAX = 30  # labels of a control that were not chosen
_STARS_MAX = 10


def bar(share: float, label: str) -> SafeString:
    """Draw a bar of length `share` (0 to 1) in the colour of the label."""
    return format_html(
        '<svg class="c-bar c-hue-{}" viewBox="0 0 100 8" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect class="c-bar-all" width="100" height="8"/>'
        '<rect class="c-bar-part" width="{}" height="8"/></svg>',
        hue(label),
        f"{max(0.0, min(share, 1.0)) * 100:.1f}",
    )


def draw_choices(region: Region, canvas: Canvas) -> SafeString | None:
    """Draw chosen labels with their scores as bars, then labels not chosen."""
    chosen = region.value.get("choices")
    if isinstance(chosen, str):
        chosen = [chosen]
    if not isinstance(chosen, list):
        return None
    names = [str(label) for label in chosen]
    others = [label for label in canvas.labels(region.from_name) if label not in names]
    score = 1.0 if region.score is None else region.score
    note = _("chosen") if region.score is None else f"{region.score:.2f}"
    rows = [(f"{name} ✓", bar(score, name), note) for name in names]
    rows += [(name, bar(0, name), "") for name in others[:_OFFERED_MAX]]
    return format_html(
        '<table class="c-choices"><tbody>{}</tbody></table>',
        format_html_join(
            "", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', rows
        ),
    )


def draw_taxonomy(region: Region, canvas: Canvas) -> SafeString | None:
    """Draw the paths through a tree of labels."""
    paths = region.value.get("taxonomy")
    if not isinstance(paths, list):
        return None
    lines = [
        (" › ".join(map(str, path)) if isinstance(path, list) else str(path),)
        for path in paths
    ]
    return format_html(
        '<ul class="c-list">{}</ul>', format_html_join("", "<li>{}</li>", lines)
    )


def draw_rating(region: Region, canvas: Canvas) -> SafeString | None:
    """Draw stars."""
    rating = number(region.value.get("rating"))
    if rating is None:
        return None
    full = max(0, min(round(rating), _STARS_MAX))
    stars = "★" * full + "☆" * max(0, 5 - full)
    return format_html(
        '<p class="c-big"><span aria-hidden="true" class="c-stars">{}</span> {}</p>',
        stars,
        readable(rating),
    )


def draw_plain(region: Region, canvas: Canvas) -> SafeString | None:
    """Write a number, a date or the like."""
    value: Any = region.value.get(region.type)
    if not isinstance(value, str | int | float):
        return None
    return format_html('<p class="c-big">{}</p>', value)


def draw_pair(region: Region, canvas: Canvas) -> SafeString | None:
    """Draw two objects side by side, with a frame around the preferred one."""
    selected = region.value.get("selected")
    if selected not in ("left", "right"):
        return None
    names = [name.strip() for name in region.to_name.split(",")][:2]
    sides = []
    for side, name in zip(("left", "right"), [*names, "", ""], strict=False):
        shown = canvas.shown(name)
        mark = "c-chosen" if side == selected else ""
        note = _("preferred") if side == selected else ""
        text = str(shown)[:2_000] if shown is not None else side
        sides.append((mark, text, note))
    return format_html(
        '<div class="c-pair">{}</div>',
        format_html_join("", '<div class="{}"><p>{}</p><b>{}</b></div>', sides),
    )


def draw_ranking(region: Region, canvas: Canvas) -> SafeString | None:
    """List the items in the order of the ranking."""
    ranking = region.value.get("ranker")
    given = ranking if isinstance(ranking, dict) else {"": ranking}
    columns = {
        str(name): items for name, items in given.items() if isinstance(items, list)
    }
    if not columns:
        return None
    return format_html_join(
        "",
        '<p>{}</p><ol class="c-list">{}</ol>',
        (
            (name, format_html_join("", "<li>{}</li>", ((str(i),) for i in items)))
            for name, items in columns.items()
        ),
    )
