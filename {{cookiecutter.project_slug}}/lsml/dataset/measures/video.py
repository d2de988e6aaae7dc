"""Boxes of videos, frame by frame: the overlap of all frames over their union."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lsml.dataset.measures.regions import Region, as_items, coordinates, thinned

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Array = NDArray[float64]

_FRAMES_MAX: Final = 1_000  # compared, evenly spread over the tracks
_FRAMES_MIN: Final = 50
_BOX_PAIRS_MAX: Final = 200_000  # of one comparison
_KEYFRAMES_MAX: Final = 5_000  # of all tracks of a result; more are thinned evenly


@dataclass(frozen=True, slots=True)
class Track:
    """The keyframes of one box, in order."""

    frames: list[float]
    boxes: list[list[float]]  # x, y, width, height in percent
    goes_on: list[bool]  # after this keyframe; else the box ends with it
    end: float  # last frame of the video


def read_tracks(regions: Sequence[Region], _aspect: float) -> list[Track | None]:
    """Return the track of each region; None if a keyframe cannot be read."""
    most = _KEYFRAMES_MAX // max(1, len(regions))
    return [_read(region["value"], most) for region in regions]


def track_ious(pairs: Sequence[tuple[Track, Track]]) -> list[float]:
    """Return the summed intersection over the summed union of the frames of each pair.

    Label Studio moves and resizes a box evenly from one keyframe to the next. Rotation
    is ignored.
    """
    import numpy as np  # here: web imports this module, and numpy takes 0.1 s

    most = _BOX_PAIRS_MAX // max(1, len(pairs))
    most = min(_FRAMES_MAX, max(_FRAMES_MIN, most))
    tracks = {id(track): track for pair in pairs for track in pair}
    first = min(track.frames[0] for track in tracks.values())
    last = max(_last(track) for track in tracks.values())
    count = min(int(last - first) + 1, most)
    frames = np.round(np.linspace(first, last, count))
    boxes = {key: _boxes(track, frames) for key, track in tracks.items()}
    return [_iou(boxes[id(a)], boxes[id(b)]) for a, b in pairs]


def _iou(a: "Array", b: "Array") -> float:
    import numpy as np

    start, end = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float((end - start).clip(0).prod(axis=0).sum())
    areas = sum(float((each[2:] - each[:2]).prod(axis=0).sum()) for each in (a, b))
    union = areas - common
    return min(1.0, common / union) if union > 0 else 0.0


def _boxes(track: Track, frames: "Array") -> "Array":
    """Return left, top, right and bottom at each frame; 0 where there is no box."""
    import numpy as np

    keyframes = np.array(track.frames)
    at = np.searchsorted(keyframes, frames, side="right") - 1
    visible = (at >= 0) & (frames <= max(track.end, track.frames[-1]))
    visible &= np.array(track.goes_on)[at] | (keyframes[at] == frames)
    columns = np.array(track.boxes).T
    x, y, width, height = (np.interp(frames, keyframes, each) for each in columns)
    shown = visible & (width > 0) & (height > 0)
    return np.where(shown, np.stack((x, y, x + width, y + height)), 0.0)


def _last(track: Track) -> float:
    return max(track.end, track.frames[-1]) if track.goes_on[-1] else track.frames[-1]


def _read(value: dict[str, Any], most: int) -> Track | None:
    given = thinned(as_items(value.get("sequence")), most)
    names = ("frame", "x", "y", "width", "height")
    read = [(coordinates(each, names), each) for each in given]
    keyframes = {
        found[0]: (found[1:], each.get("enabled") is not False)
        for found, each in read
        if found
    }
    if not keyframes or len([found for found, _ in read if found]) < len(given):
        return None
    frames = sorted(keyframes)
    length = coordinates(value, ("framesCount",))
    return Track(
        frames,
        [keyframes[frame][0] for frame in frames],
        [keyframes[frame][1] for frame in frames],
        length[0] if length else frames[-1],
    )
