"""Draws where the web processes spend their CPU time, for docs/performance.md.

    .venv/bin/python -m benchmarks.flames NAME [--py-spy PATH]

Writes docs/images/predict-NAME.svg and webhook-NAME.svg: flame graphs of both web
processes under the load of `make bench`. Needs py-spy (`pip install py-spy`), which is
not among the project's libraries, and the right to read other processes.
"""

import argparse
import html
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.service import ROOT
from benchmarks.wire.load import require_tools
from benchmarks.wire.turns import EVENT, ONE, Benchmark, Work, benchmark

WIDTH, ROW, TOP = 1200, 18, 54  # pixels
SMALLEST = 0.005  # share of all samples; what is smaller is not drawn
COLORS = {  # the first that is found in a frame; others are grey
    "lsml/": ("this service", "#9ecbf5"),
    "rest_framework": ("REST framework", "#f6c28b"),
    "psycopg": ("psycopg", "#d5b5ea"),
    "django": ("Django", "#b5dfb0"),
    "gunicorn": ("gunicorn", "#e6e09a"),
    "": ("other", "#dcdcdc"),
}
# How a thread gets to a request: the same in every stack.
_START_UP = re.compile(
    r"^process \d|runpy|threading\.py|concurrent/futures"
    r"|gunicorn/(app|arbiter|__main__)|\.(init_process|run) \(gunicorn/workers"
)
# Each middleware calls the next one: a stair of frames that hides what each one does.
_MIDDLEWARE = re.compile(
    r"inner \(django/core/handlers/exception"
    r"|__call__ \(.*(middleware|deprecation|observability/requests)\.py"
)


@dataclass
class Box:
    """A function, called by those above it."""

    samples: int = 0
    callees: dict[str, "Box"] = field(default_factory=dict)


def main() -> None:
    """Profile both endpoints and draw them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames")
    parser.add_argument("name", help="last part of the files' names")
    parser.add_argument("--py-spy", default="py-spy", help="path of the program")
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    require_tools()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        benchmark(Path(folder), seconds=options.seconds, turns=1) as measured,
    ):
        for work in (ONE, EVENT):
            file = ROOT / f"docs/images{work.path}-{options.name}.svg"
            cpu_ms, samples = _profile(measured, work, options.py_spy)
            title = f"{work.name.replace('`', '')}: {cpu_ms:.2f} ms of CPU time each"
            file.parent.mkdir(exist_ok=True)
            file.write_text(draw(tree(samples), f"{title} ({options.name})"), "utf-8")
            print(f"{file.relative_to(ROOT)}: {sum(samples.values())} samples")


def _profile(
    measured: Benchmark, work: Work, py_spy: str
) -> tuple[float, Counter[tuple[str, ...]]]:
    """Return CPU ms per request without the profiler, and the stacks it saw."""
    measured.measure(measured.ours, work, seconds=2)
    cpu_ms = measured.measure(measured.ours, work).web_ms
    raw = measured.folder / "stacks.txt"
    profiler = subprocess.Popen(
        [
            *(py_spy, "record", "--pid", str(measured.ours.master), "--subprocesses"),
            # Who holds the interpreter's lock runs; all others wait for it or for I/O.
            *("--gil", "--rate", "200", "--duration", str(measured.seconds)),
            *("--nolineno", "--format", "raw", "--output", str(raw)),
        ],
        stdout=subprocess.DEVNULL,
    )
    time.sleep(1)  # until it has found the processes
    measured.measure(measured.ours, work)
    if profiler.wait():
        raise SystemExit("py-spy failed: see its message above")
    samples: Counter[tuple[str, ...]] = Counter()
    for line in raw.read_text().splitlines():
        stack, count = line.rsplit(" ", 1)
        samples[tuple(stack.split(";"))] += int(count)
    return cpu_ms, samples


def tree(samples: Counter[tuple[str, ...]]) -> Box:
    """Add up stacks, without the frames that they all have in common."""
    root = Box()
    for stack, count in samples.items():
        box, last = root, ""
        box.samples += count
        for frame in stack:
            name = "middleware" if _MIDDLEWARE.search(frame) else frame
            if _START_UP.search(frame) or name == last:
                continue
            box = box.callees.setdefault(name, Box())
            box.samples += count
            last = name
    return root


def draw(root: Box, title: str) -> str:
    """Return a flame graph as SVG: callers above, callees below."""
    boxes = list(_boxes(root, 0, 0.0, root.samples))
    height = TOP + (max(depth for _, depth, *_ in boxes) + 1) * ROW + 4
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" font-family="Verdana, sans-serif"'
        ' font-size="11">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="6" y="20" font-size="15">{html.escape(title)}</text>',
        *_legend(),
    ]
    for name, depth, left, share in boxes:
        x, y, width = left * WIDTH, TOP + depth * ROW, share * WIDTH
        color = next(color for part, (_, color) in COLORS.items() if part in name)
        lines += [
            f"<g><title>{html.escape(name)}: {share:.1%}</title>"
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}"'
            f' fill="{color}" stroke="#ffffff" stroke-width="0.5"/>'
            f'<text x="{x + 3:.1f}" y="{y + 13}">'
            f"{html.escape(_label(name, int((width - 4) / 6.9)))}</text></g>"
        ]
    return "\n".join([*lines, "</svg>", ""])


def _boxes(
    box: Box, depth: int, left: float, all_samples: int
) -> Iterator[tuple[str, int, float, float]]:
    """Yield name, depth, left edge and share of each box that is large enough."""
    callees = sorted(box.callees.items(), key=lambda each: -each[1].samples)
    for name, callee in callees:
        share = callee.samples / all_samples
        if share < SMALLEST:
            return
        yield name, depth, left, share
        yield from _boxes(callee, depth + 1, left, all_samples)
        left += share


def _label(frame: str, fits: int) -> str:
    """Return as much of `Class.function (file)` as fits, the function first."""
    without_file = frame.split(" (", maxsplit=1)[0]
    function = without_file.rsplit(".", 1)[-1]
    for label in (frame, without_file, function):
        if len(label) <= fits:
            return label
    return f"{function[: fits - 1]}…" if fits > 3 else ""


def _legend() -> Iterator[str]:
    for number, (label, color) in enumerate(COLORS.values()):
        x = 6 + number * 130
        yield f'<rect x="{x}" y="30" width="14" height="14" fill="{color}"/>'
        yield f'<text x="{x + 19}" y="41">{label}</text>'


if __name__ == "__main__":
    main()
