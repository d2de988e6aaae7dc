"""Reads results, the lists of regions of predictions and annotations, for comparison.

Results come from the user's model, so any JSON may be in them.
"""

from typing import Any

import orjson


def meaning(result: object) -> list[bytes]:
    """Reduce a result to what it says: without scores, IDs and the order of regions.

    Two results say the same if their meanings are equal.
    """
    regions = result if isinstance(result, list) else [result]
    said = ("type", "from_name", "to_name", "value")
    kept = (
        {name: region.get(name) for name in said}
        if isinstance(region, dict)
        else region
        for region in regions
    )
    return sorted(orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in kept)


def words_of(result: object) -> list[str]:
    """Return the labels, choices and texts of a result, in their order."""
    regions: list[Any] = result if isinstance(result, list) else []
    values = (each.get("value") for each in regions if isinstance(each, dict))
    parts = (
        part for value in values if isinstance(value, dict) for part in value.values()
    )
    return [
        word
        for part in parts
        if isinstance(part, list)
        for word in part
        if isinstance(word, str)
    ]
