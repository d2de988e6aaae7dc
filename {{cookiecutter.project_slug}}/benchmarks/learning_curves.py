"""Measures how many labels are saved by choosing what is labelled first.

    make bench-curves [ARGS="--write"]

A simulated annotator labels three public data sets, in the order of each strategy of
lsml/quality/next/strategies.py. Prints the table of docs/label-studio.md; --write
saves it there, with the picture and all points beside it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from joblib import Parallel, delayed

from benchmarks.labelling.annotator import STRATEGIES, Project, learning_curve
from benchmarks.labelling.picture import draw
from benchmarks.labelling.report import Curve, Result, as_csv, table
from benchmarks.text_sets import NAMES, load

_DOCS = Path(__file__).parents[1] / "docs"
_DOCUMENT = _DOCS / "label-studio.md"
_BEGIN, _END = "<!-- written by make bench-curves -->", "<!-- end -->"


def main() -> None:
    """Simulate the labelling of each data set, print its table, and save all of it."""
    parser = argparse.ArgumentParser(prog="make bench-curves")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="save all of it in docs/")
    options = parser.parse_args()
    results = []
    for result in _simulate(options.seeds):
        print(f"{table([result])}\n", flush=True)
        results.append(result)
    if options.write:
        _write(results)


def _simulate(seeds: int) -> Iterator[Result]:
    for name in NAMES:
        project = Project(load(name))
        work = [(strategy, seed) for strategy in STRATEGIES for seed in range(seeds)]
        found: list[Curve] = Parallel(n_jobs=-1)(
            delayed(learning_curve)(project, *each) for each in work
        )
        curves = {
            strategy: found[n * seeds : (n + 1) * seeds]
            for n, strategy in enumerate(STRATEGIES)
        }
        yield Result(name, curves)


def _write(results: list[Result]) -> None:
    document = _DOCUMENT.read_text("utf-8")
    before, rest = document.split(_BEGIN)
    _, after = rest.split(_END)
    text = f"{before}{_BEGIN}\n\n{table(results)}\n\n{_END}{after}"
    _DOCUMENT.write_text(text, "utf-8")
    (_DOCS / "images/learning-curves.svg").write_text(draw(results), "utf-8")
    (_DOCS / "images/learning-curves.csv").write_text(as_csv(results), "utf-8")


if __name__ == "__main__":
    main()
