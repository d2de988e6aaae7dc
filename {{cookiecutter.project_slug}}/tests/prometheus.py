"""Reads what a PromQL expression names, and what the documentation says exists."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "observability.md"

_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_MATCHERS = re.compile(r"\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_LANGUAGE = {
    *("absent", "and", "histogram_quantile", "increase", "max", "min", "or", "rate"),
    *("sum", "time", "unless"),
}
_OF_PROMETHEUS = {"le", "instance"}  # labels that no metric of ours declares


def documented():
    """Return the labels of each documented metric, by its name."""
    found = {}
    for line in DOCS.read_text().splitlines():
        cells = line.split(" | ")
        names = re.findall(r"`(lsml_\w+)`", cells[0]) if line.startswith("| `") else []
        for name in names:
            found[name] = set(re.findall(r"`(\w+)`", cells[1]))
    return found


def unknown_in(expression):
    """Return the words of an expression that name no function, metric or label."""
    metrics, labels = named_in(expression)
    known = documented()
    families = {name: name if name in known else family(name) for name in metrics}
    unknown = {name for name, known_as in families.items() if known_as not in known}
    has = set().union(*(known.get(each, set()) for each in families.values()))
    return unknown | labels - has - _OF_PROMETHEUS


def named_in(expression):
    """Return the names of the metrics, and those of the labels."""
    rest = _STRING.sub("", expression)
    labels = set()
    for clause in (_MATCHERS, _GROUPING):
        labels.update(*(_WORD.findall(each) for each in clause.findall(rest)))
        rest = clause.sub("", rest)
    rest = re.sub(r"\[[^\]]*\]", "", rest)
    return set(_WORD.findall(rest)) - _LANGUAGE, labels


def family(name):
    """Return the name of the histogram that has this series."""
    return re.sub(r"_(?:bucket|count|sum)$", "", name)
