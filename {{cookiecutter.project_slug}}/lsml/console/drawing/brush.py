"""Brush masks: converts Label Studio's run-length encoding to a small PNG.

The encoding: 32 bits length, 5 bits word size - 1, four times 4 bits size - 1; then
runs, each with one bit (repeated value or literal values) and a length in one of the
four sizes. It unpacks to RGBA bytes, of which only alpha carries the mask.
"""

import base64
import struct
import zlib
from typing import Any, Final

# The same as c-hue-0 to c-hue-9 in console.css: a PNG cannot use CSS.
_COLOURS: Final = (
    (79, 70, 229), (5, 150, 105), (217, 119, 6), (219, 39, 119), (2, 132, 199),
    (101, 163, 13), (147, 51, 234), (220, 38, 38), (13, 148, 136), (120, 113, 108),
)  # fmt: skip
_ALPHA: Final = 150
_ON: Final = bytes([0, *[1] * 255])  # any alpha above 0 is part of the mask


def mask_png(rle: Any, width: int, height: int, colour: int) -> str | None:
    """Return the mask as a base64 PNG; None if `rle` does not encode this size."""
    if not isinstance(rle, list):
        return None
    try:
        pixels = decode_rle(bytes(rle), expected=4 * width * height)
    except (ValueError, TypeError, IndexError):
        return None
    rows = pixels[3::4].translate(_ON)
    lines = b"".join(
        b"\0" + rows[start : start + width] for start in range(0, len(rows), width)
    )
    red, green, blue = _COLOURS[colour]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes([0, 0, 0, red, green, blue])),
            _chunk(b"tRNS", bytes([0, _ALPHA])),
            _chunk(b"IDAT", zlib.compress(lines, 6)),
            _chunk(b"IEND", b""),
        )
    )
    return base64.b64encode(png).decode()


def decode_rle(code: bytes, *, expected: int) -> bytes:
    """Decode run-length encoded bytes.

    Raises:
        ValueError: The length is not `expected`, so the mask is of another image.
        IndexError: The code ends too early.
    """
    bits = _Bits(code)
    length = bits.read(32)
    if length != expected:
        raise ValueError(f"{length} bytes for an image of {expected}")
    word = bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    unpacked = bytearray()
    while len(unpacked) < length:
        repeated = bits.read(1)
        count = bits.read(sizes[bits.read(2)]) + 1
        if repeated:
            unpacked += bytes([bits.read(word) & 255]) * count
        else:
            unpacked += bytes(bits.read(word) & 255 for _ in range(count))
        if len(unpacked) > length:
            raise ValueError("a run goes past the end")
    return bytes(unpacked)


class _Bits:
    """Reads a byte string bit by bit, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def read(self, count: int) -> int:
        start, end = self._place, self._place + count
        if end > 8 * len(self._data):
            raise IndexError("the code ends too early")
        self._place = end
        window = int.from_bytes(self._data[start // 8 : (end + 7) // 8])
        return (window >> (-end % 8)) & ((1 << count) - 1)


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
