"""Decides which paths of Label Studio may get its token, and what a token may be.

A path may be written so that it is a file here, and something else for a server that
decodes it once more. Such a path gets no token.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote

_FILES = re.compile(
    r"/data/.|/storage-data/uploaded/?$|/(tasks|projects)/\d+/(presign|resolve)/?$",
    re.ASCII,
)
# Control characters, bytes that are not UTF-8, and segments that consist of dots, also
# before a parameter ("..;") or with spaces, which some servers remove.
_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\ufffd]|(^|[/\\])\s*\.\s*\.[\s.]*([/\\;?#]|$)")
_HEADER_VALUE = re.compile("[!-~]+")
_DECODINGS_MAX = 5  # more than servers and proxies do together


def path_below(url: str, base: str) -> str | None:
    """Return the path of a URL below another one, without its query.

    Args:
        url: A URL in the form in which it is sent.
        base: The other one, in the same form and without a slash at its end.

    Returns:
        None if the URL is elsewhere, or if a server could take it for one elsewhere.
    """
    if not url.startswith(f"{base}/"):
        return None
    path = re.split("[?#]", url.removeprefix(base), maxsplit=1)[0]
    decoded = path
    for _ in range(_DECODINGS_MAX):
        decoded = unquote(decoded)
    if unquote(decoded) != decoded or _AMBIGUOUS.search(normalize("NFKC", decoded)):
        return None
    return path


def is_file_path(path: str | None) -> bool:
    """Return whether Label Studio serves files, and nothing else, under a path."""
    return path is not None and bool(_FILES.match(path))


def is_sendable(token: str) -> bool:
    """Return whether a token can be sent in a header.

    HTTP libraries quote any other one in their errors.
    """
    return bool(_HEADER_VALUE.fullmatch(token))
