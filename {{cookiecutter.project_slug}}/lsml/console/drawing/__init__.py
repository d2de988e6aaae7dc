"""Draws Label Studio results as HTML and SVG; docs/console.md lists the types.

Plain functions from JSON to safe markup. The data of tasks and results is always
escaped: it never becomes markup, a script address or a style.
"""

from lsml.console.drawing.draw import draw
from lsml.console.drawing.parts import Canvas, Picture
from lsml.console.drawing.task import draw_task

__all__ = ["Canvas", "Picture", "draw", "draw_task"]
