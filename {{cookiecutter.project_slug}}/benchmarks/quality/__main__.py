"""Measures how good the statistics of quality are.

    make bench-quality [ARGS="--write"]

Simulates annotations, trainings and drops with fixed seeds, and prints the tables of
docs/quality-simulations.md; --write saves them there, with the picture of the operating
curves.
"""

import argparse
from functools import partial
from pathlib import Path

from joblib import Parallel, delayed

from benchmarks.quality import (
    coverage,
    drift,
    drops,
    durations,
    expected,
    promotions,
    roll_backs,
)
from benchmarks.quality.picture import draw

_DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = _DOCS / "quality-simulations.md"
_END = "<!-- end -->"
_PICTURE = _DOCS / "images/promotions.svg"


def main() -> None:
    """Simulate, print each table when it is done, and save all of them."""
    parser = argparse.ArgumentParser(prog="make bench-quality")
    parser.add_argument("--write", action="store_true", help="save all of it in docs/")
    options = parser.parse_args()
    simulate = Parallel(n_jobs=-1, return_as="generator")
    found = simulate(delayed(make_table)() for make_table in TABLES.values())
    tables = {}
    for name, text in zip(TABLES, found, strict=True):
        print(f"{name}\n{text}\n", flush=True)
        tables[name] = text
    if options.write:
        _write(tables)
        picture = draw(promotions.POINTS, promotions.operating_curves())
        _PICTURE.write_text(picture, "utf-8")


TABLES = {
    "certainty": promotions.level_table,
    "certainty with one point": partial(promotions.level_table, promotions.GATE),
    "promotions": promotions.bar_table,
    "sizes": promotions.size_table,
    "sizes with one point": partial(promotions.size_table, promotions.GATE),
    "margins": promotions.margin_table,
    "labels": promotions.label_table,
    "durations": durations.duration_table,
    "intervals": coverage.coverage_table,
    "accuracies": coverage.exact_table,
    "references": drops.reference_table,
    "levels": drops.level_table,
    "roll-backs": roll_backs.roll_back_table,
    "stable": drift.stable_table,
    "shifts": drift.shift_table,
    "expected": expected.coverage_table,
}


def _write(tables: dict[str, str]) -> None:
    document = DOCUMENT.read_text("utf-8")
    for name, text in tables.items():
        begin = f"<!-- {name}: written by make bench-quality -->"
        before, rest = document.split(begin)
        _, after = rest.split(_END, 1)
        document = f"{before}{begin}\n\n{text}\n\n{_END}{after}"
    DOCUMENT.write_text(document, "utf-8")


if __name__ == "__main__":
    main()
