"""An HTTP request that can be changed before it is encoded, and what to expect."""

import re
from dataclasses import dataclass, field

_FRAMING = re.compile(
    rb"\n(content-length|transfer-encoding|expect|upgrade)[ \t]*:([^\n]*)",
    re.IGNORECASE,
)


@dataclass
class Message:
    """A request. Its headers may be repeated and malformed."""

    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    version: str = "HTTP/1.1"
    frames_body: bool = True  # adds Content-Length

    def set(self, name, value):
        """Replace a header."""
        self.headers = [each for each in self.headers if each[0] != name]
        self.headers.append((name, value))

    def encode(self):
        lines = [f"{self.method} {self.target} {self.version}".rstrip()]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.frames_body and (self.body or self.method == "POST"):
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join([*lines, "", ""])
        return head.encode("latin-1", "replace") + self.body


@dataclass
class Attempt:
    """What is sent at once, and what must come back."""

    name: str
    data: bytes
    requests: list[Message]  # that are in `data`
    must_answer: bool = True  # the first request; the others unless it is the last
    half_close: bool = False  # nothing follows, also if the service waits for more
    pieces: int = 1
    previous: bytes = b""  # what was sent before on the same connection


def single(name, message, **more):
    return Attempt(name, message.encode(), [message], **more)


def is_whole(data):
    """Return whether a request is complete, so that it must be answered."""
    head, end, body = data.partition(b"\r\n\r\n")
    match _FRAMING.findall(head) if end else None:
        case []:
            return True
        case [(name, value)]:
            length = value.strip()
            is_length = name.lower() == b"content-length" and length.isdigit()
            return is_length and len(length) < 16 and len(body) >= int(length)
        case _:
            return False
