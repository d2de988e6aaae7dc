"""Reads a version's metrics: single numbers, a confusion matrix, scores per label.

A model may report matrix and scores as JSON objects, or flat, as single numbers named
`confusion/<true>/<predicted>` and `f1/<label>`. docs/console.md lists the names.
"""

from typing import Any, Final

SCORES: Final = ("precision", "recall", "f1", "support")
_FIRST: Final = ("accuracy", "f1")
_FLAT: Final = tuple(f"{name}/" for name in (*SCORES, "confusion"))


def plain(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the single numbers by name; accuracy and F1 come first."""
    found = {
        name: value
        for name, value in metrics.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and not name.startswith(_FLAT)
    }
    # PostgreSQL does not keep the order of keys in JSON.
    return {
        name: found[name] for name in sorted(found, key=lambda n: (n not in _FIRST, n))
    }


def compared(left: dict[str, Any], right: dict[str, Any]) -> list[dict[str, Any]]:
    """Pair the single numbers of two versions; the difference is right - left."""
    old, new = plain(left), plain(right)
    rows = []
    for name in plain(left | right):
        before, after = old.get(name), new.get(name)
        difference = None if before is None or after is None else after - before
        rows.append({"name": name, "left": before, "right": after, "by": difference})
    return rows


def confusion(metrics: dict[str, Any]) -> Any:
    """Return the matrix as `{"labels": […], "rows": [[…]]}`, unchecked."""
    if "confusion_matrix" in metrics:
        return metrics["confusion_matrix"]
    labels = [name[len("f1/") :] for name in sorted(metrics) if name.startswith("f1/")]
    if not any(name.startswith("confusion/") for name in metrics):
        return None
    cells = [
        [metrics.get(f"confusion/{true}/{predicted}", 0) for predicted in labels]
        for true in labels
    ]
    return {"labels": labels, "rows": cells}


def per_label(metrics: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Return each label with its SCORES; None for a score that was not reported."""
    reported = metrics.get("per_label")
    if isinstance(reported, dict):
        whole = list(reported.items())[:100]
        return [
            (label, [scores.get(name) for name in SCORES])
            for label, scores in whole
            if isinstance(scores, dict)
        ]
    flat = [name.partition("/") for name in sorted(metrics) if name.startswith(_FLAT)]
    labels = dict.fromkeys(label for name, _, label in flat if name in SCORES)
    return [
        (label, [metrics.get(f"{name}/{label}") for name in SCORES])
        for label in list(labels)[:100]
    ]
