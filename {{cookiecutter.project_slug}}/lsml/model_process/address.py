"""What MODEL_URL says. Plain Python, for programs that start without Django."""

UNIX = "unix://"


def socket_of(url: str) -> str | None:
    """Return the path of the Unix socket that an address names; None for HTTP."""
    return url.removeprefix(UNIX) if url.startswith(UNIX) else None
