"""The load of `make bench`: wrk."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Request

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured in one turn."""

    answers: int  # of any status
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int  # answers with a status of 400 or more
    broken: int  # connections and requests without an answer

    @property
    def good(self) -> int:
        """How many answers had the right status."""
        return self.answers - self.refused

    @property
    def per_second(self) -> float:
        """The rate of good answers: a refusal is quick."""
        return self.good / self.seconds

    @property
    def errors(self) -> int:
        """How many requests were not answered as they should be."""
        return self.refused + self.broken


def require_tools() -> None:
    """End with a sentence if wrk or /proc is missing."""
    if shutil.which("wrk") is None:
        sys.exit(
            "make bench needs the load generator wrk. Install it with your system's"
            " package manager, for example: apt-get install wrk"
        )
    if not Path("/proc/self/clear_refs").exists():
        sys.exit("make bench needs Linux: it reads CPU time and memory from /proc.")


def post(request: Request, *, connections: int, seconds: float, folder: Path) -> Load:
    """Post a request's body again and again from wrk's connections.

    Args:
        request: What to post, and where.
        connections: Each sends its next request when the last one was answered.
        seconds: How long.
        folder: Where the body is saved for wrk.
    """
    body = folder / "body.json"
    body.write_bytes(request.body or b"")
    headers = {"Content-Type": "application/json", **request.headers}
    output = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds:g}s", "--timeout", "30s"),
            *("--script", str(_SCRIPT)),
            f"http://127.0.0.1:{request.port}{request.path}",
            *("--", str(body)),
            *(word for header in headers.items() for word in header),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = json.loads(output.splitlines()[-1])
    return Load(
        answers=found["answers"],
        seconds=found["duration"] / 1e6,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        refused=found["refused"],
        broken=found["broken"],
    )
