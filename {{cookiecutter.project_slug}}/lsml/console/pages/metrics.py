"""What a version's metrics say: plain numbers, a confusion matrix, scores per label.

A model may report a matrix and scores as a whole, or flat, as numbers only:
`confusion/<meant>/<said>`, `f1/<label>`. Both are read; docs/console.md has the names.
"""

from typing import Any, Final

SCORES: Final = ("precision", "recall", "f1", "support")
_FIRST: Final = ("accuracy", "f1")
_FLAT: Final = tuple(f"{name}/" for name in (*SCORES, "confusion"))


def plain(metrics: dict[str, Any]) -> dict[str, float]:
    """The single numbers, those people look for first in front."""
    found = {
        name: value
        for name, value in metrics.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and not name.startswith(_FLAT)
    }
    # JSON from PostgreSQL has lost its order.
    return {
        name: found[name] for name in sorted(found, key=lambda n: (n not in _FIRST, n))
    }


def compared(left: dict[str, Any], right: dict[str, Any]) -> list[dict[str, Any]]:
    """The plain numbers of two versions side by side; the difference: right - left."""
    old, new = plain(left), plain(right)
    rows = []
    for name in plain(left | right):
        before, after = old.get(name), new.get(name)
        difference = None if before is None or after is None else after - before
        rows.append({"name": name, "left": before, "right": after, "by": difference})
    return rows


def confusion(metrics: dict[str, Any]) -> Any:
    """The matrix as `{"labels": […], "rows": [[…]]}`, or whatever stands there."""
    if "confusion_matrix" in metrics:
        return metrics["confusion_matrix"]
    labels = [name[len("f1/") :] for name in sorted(metrics) if name.startswith("f1/")]
    if not any(name.startswith("confusion/") for name in metrics):
        return None
    cells = [
        [metrics.get(f"confusion/{meant}/{said}", 0) for said in labels]
        for meant in labels
    ]
    return {"labels": labels, "rows": cells}


def per_label(metrics: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Each label with its SCORES; None where one was not reported."""
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
