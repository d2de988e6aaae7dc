"""Draws Label Studio results as HTML and SVG; docs/console.md lists the types.

Plain functions from JSON to safe markup. Whatever stands in a task or a result is
text: nothing of it becomes markup, an address that runs, or a style.
"""

from lsml.console.drawing.draw import draw
from lsml.console.drawing.parts import Canvas, Picture
from lsml.console.drawing.task import draw_task

__all__ = ["Canvas", "Picture", "draw", "draw_task"]
