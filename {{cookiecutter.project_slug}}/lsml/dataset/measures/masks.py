"""Masks of brush and bitmask: intersection over union of their pixels.

A mask is kept as the intervals of its pixels, numbered row by row. Sizes that a region
claims are never allocated, except for those of a PNG, which are bounded.
"""

from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from lsml.dataset.measures import rle
from lsml.dataset.measures.regions import Region

if TYPE_CHECKING:
    from numpy import bool_, int64
    from numpy.typing import NDArray

_MASKS_MAX: Final = 50  # of one comparison, both sides
_URL_MAX: Final = 8_000_000  # characters of one PNG
_RUNS_MAX: Final = 100_000  # of one comparison; 0.1 s
_PIXELS_MAX: Final = 32_000_000  # of the PNGs of one comparison


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of a mask: `borders` alternately start and end an interval."""

    borders: "NDArray[int64]"
    pixels_of_image: int


@dataclass(slots=True)
class _Left:
    """What may still be decoded in this comparison."""

    masks: int = _MASKS_MAX // 2
    runs: int = _RUNS_MAX // 2
    pixels: int = _PIXELS_MAX // 2


def read_masks(regions: Iterable[Region], _aspect: float) -> list[Mask | None]:
    """Return the mask of each region; None if it cannot be decoded, or is too much."""
    left = _Left()
    return [_read(region["value"], left) for region in regions]


def mask_ious(pairs: Sequence[tuple[Mask, Mask]]) -> list[float]:
    """Return the intersection over union of each pair; 0 for images of unlike size."""
    return [_iou(a, b) for a, b in pairs]


def _iou(a: Mask, b: Mask) -> float:
    import numpy as np

    if (
        a.pixels_of_image != b.pixels_of_image
        or not a.borders.size
        or not b.borders.size
    ):
        return 0.0
    lengths = np.diff(b.borders)
    lengths[1::2] = 0  # between the intervals
    below = np.interp(a.borders, b.borders, np.concatenate(([0], lengths.cumsum())))
    common = float((below[1::2] - below[::2]).sum())
    both = sum(int((m.borders[1::2] - m.borders[::2]).sum()) for m in (a, b))
    return common / (both - common)


def _read(value: dict[str, Any], left: _Left) -> Mask | None:
    left.masks -= 1
    if left.masks < 0:
        return None
    if "imageDataURL" in value:
        return _from_png(value["imageDataURL"], left)
    decoded = rle.decode_alpha(value.get("rle"), runs_max=left.runs)
    if decoded is None:
        return None
    left.runs -= decoded.runs
    return Mask(decoded.borders, decoded.pixels)


def _from_png(url: object, left: _Left) -> Mask | None:
    """Decode a data URL: opaque pixels are the mask; if all are, those not black."""
    import numpy as np
    from PIL import Image

    if not isinstance(url, str) or len(url) > _URL_MAX:
        return None
    try:
        with Image.open(
            BytesIO(b64decode(url.partition(",")[2])), formats=["PNG"]
        ) as png:
            left.pixels -= png.width * png.height
            if left.pixels < 0:
                return None
            on = _pixels(png)
    # Pillow names neither its errors nor those of the decoders below it.
    except Exception:  # noqa: BLE001
        return None
    steps = np.diff(np.concatenate(([False], on, [False])).view(np.int8))
    return Mask(np.flatnonzero(steps), on.size)


def _pixels(png: Any) -> "NDArray[bool_]":
    import numpy as np

    if png.has_transparency_data:
        alpha = png if "A" in png.getbands() else png.convert("RGBA")
        opaque = np.asarray(alpha.getchannel("A")).ravel() > 0
        if not opaque.all():
            return opaque
    return np.asarray(png.convert("L")).ravel() > 0
