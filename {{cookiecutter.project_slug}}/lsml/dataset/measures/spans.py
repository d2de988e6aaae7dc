"""Spans of texts, audio, time series and timelines: exact and overlapping F1."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from lsml.dataset.measures.regions import (
    Region,
    as_items,
    coordinates,
    frozen,
    labels_of,
)
from lsml.dataset.measures.scores import Compared, f1, label_counts

_RANGES_MAX: Final = 100  # of one region of a timeline

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Span:
    """Disjoint intervals, in order, of what `place` says: a channel or paragraph."""

    place: Hashable
    intervals: tuple[Interval, ...]


def exact_spans(a: list[Region], b: list[Region]) -> Compared:
    """Return the F1 of spans that have the same bounds and labels."""
    ours, theirs = ({_key(region) for region in regions} for regions in (a, b))
    common = ours & theirs
    labels = label_counts(*([*_labels(keys)] for keys in (common, ours, theirs)))
    return Compared(f1(len(common), len(ours), len(theirs)), labels)


def read_spans(regions: Iterable[Region], _aspect: float) -> list[Span | None]:
    """Return where each span is; None if only its exact bounds can be compared."""
    return [_read(region["value"]) for region in regions]


def span_ious(pairs: Iterable[tuple[Span, Span]]) -> list[float]:
    """Return the intersection over union of each pair."""
    return [_iou(a, b) for a, b in pairs]


def _iou(a: Span, b: Span) -> float:
    if a.place != b.place:
        return 0.0
    common = sum(
        max(0.0, min(end, other_end) - max(start, other_start))
        for start, end in a.intervals
        for other_start, other_end in b.intervals
    )
    union = _length(a) + _length(b) - common
    return common / union if union > 0 else 0.0


def _length(span: Span) -> float:
    return sum(end - start for start, end in span.intervals)


def _read(value: dict[str, Any]) -> Span | None:
    channel = frozen(value.get("channel"))
    if "ranges" in value:  # of frames, both ends included
        ranges = [
            coordinates(each, ("start", "end"))
            for each in as_items(value["ranges"])[:_RANGES_MAX]
        ]
        found = [(each[0], each[1] + 1) for each in ranges if each]
        return Span(channel, _joined(found)) if found else None
    bounds = coordinates(value.get("globalOffsets"), ("start", "end"))
    bounds = bounds or coordinates(value, ("start", "end"))
    if bounds:
        return Span(channel, _joined([(bounds[0], bounds[1])]))
    offsets = coordinates(value, ("startOffset", "endOffset"))
    if offsets and value.get("start") == value.get("end"):  # in one element
        place = frozen(value.get("start"))
        return Span((channel, place), _joined([(offsets[0], offsets[1])]))
    return None


def _joined(intervals: list[Interval]) -> tuple[Interval, ...]:
    """Return the same without empty ones and overlaps, in order."""
    joined: list[Interval] = []
    for interval in sorted(each for each in intervals if each[1] > each[0]):
        if joined and interval[0] <= joined[-1][1]:
            start, end = joined.pop()
            joined.append((start, max(end, interval[1])))
        else:
            joined.append(interval)
    return tuple(joined)


def _key(region: Region) -> tuple[Hashable, frozenset[str]]:
    names = ("start", "end", "startOffset", "endOffset", "ranges", "channel")
    value = region["value"]
    return tuple(frozen(value.get(name)) for name in names), labels_of(region)


def _labels(keys: Iterable[tuple[Hashable, frozenset[str]]]) -> Iterable[str]:
    return (label for _bounds, labels in keys for label in labels)
