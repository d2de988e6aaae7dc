"""Stacked columns: predictions per hour by version, events per hour by action."""

from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lsml.console.charts import axes


@dataclass(frozen=True, slots=True)
class Stack:
    """One layer of all columns."""

    name: str
    values: list[float]  # one per column


def column_chart(
    label: str, columns: list[str], stacks: list[Stack], *, every: int = 4
) -> SafeString | None:
    """Draw columns of counts; None when all are empty.

    Args:
        label: For screen readers.
        columns: Names of the columns, shown below each `every`-th and on hover.
        stacks: Layers, from the bottom up.
        every: Columns per label.
    """
    totals = [sum(stack.values[n] for stack in stacks) for n in range(len(columns))]
    if not any(totals):
        return None
    lines = axes.whole_steps(max(totals))
    high = lines[-1]
    step = (axes.WIDTH - axes.LEFT - axes.RIGHT) / len(columns)
    base = [0.0] * len(columns)
    layers = []
    for index, stack in enumerate(stacks):
        layers.append(_layer(index, stack, columns, base, high, step))
        base = [low + value for low, value in zip(base, stack.values, strict=True)]
    words = [
        (axes.LEFT + step * (n + 0.5), name)
        for n, name in enumerate(columns)
        if n % every == 0
    ]
    body = format_html(
        "{}{}{}",
        axes.grid(lines),
        axes.ticks(words),
        format_html_join("", "{}", ((layer,) for layer in layers)),
    )
    return axes.framed(label, body, [stack.name for stack in stacks])


def _layer(
    index: int,
    stack: Stack,
    columns: list[str],
    base: list[float],
    high: float,
    step: float,
) -> SafeString:
    parts = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"><title>{} {}: {}</title></rect>',
        (
            (
                f"{axes.LEFT + step * n + step * 0.12:.1f}",
                f"{axes.place_y(base[n] + value, 0, high):.1f}",
                f"{step * 0.76:.1f}",
                f"{value / high * (axes.HEIGHT - axes.TOP - axes.BOTTOM):.1f}",
                columns[n],
                stack.name,
                f"{value:,.0f}",
            )
            for n, value in enumerate(stack.values)
            if value
        ),
    )
    return format_html('<g class="c-series-{}">{}</g>', index % axes.SERIES_MAX, parts)
