"""What every answer must be; collects those that are not, and what the books need."""

import json
import threading
from collections import Counter

_SHAPE = {"detail", "code", "field", "request_id"}
_STREAMS = ("format=csv", "format=jsonl", "/file")


class Bars:
    """The answers of all clients, and the faults in them."""

    def __init__(self, folder, *, slow_s):
        self._slow_s = slow_s
        self._folder = folder
        self._lock = threading.Lock()
        self.statuses = Counter()
        self.unavailable = Counter()  # answers of 503, by code
        self.faults = Counter()
        self.slowest = (0.0, "")
        self.predicted = {}  # request id -> results
        self.accepted = {}  # event -> request id

    def check(self, number, attempt, answers):
        """Record the answers to one attempt."""
        for position, answer in enumerate(answers):
            request = attempt.requests[position]
            faults = list(_faults(attempt, request, answer, is_first=position == 0))
            if answer.took_s > self._slow_s and not _is_stream(request):
                faults.append(f"took more than {self._slow_s:.0f} s")
            with self._lock:
                self._count(attempt, request, answer)
                for fault in faults:
                    self._keep(fault, number, attempt, answer)
            if answer.status == 200:
                self._enter(answer)

    def _count(self, attempt, request, answer):
        self.statuses[answer.status] += 1
        if answer.status == 503:
            self.unavailable[_json(answer).get("code", "?")] += 1
        if not _is_stream(request):
            self.slowest = max(self.slowest, (answer.took_s, attempt.name))

    def _keep(self, fault, number, attempt, answer):
        self.faults[fault] += 1
        if self.faults[fault] > 20:
            return
        print(f"  FAULT {number} ({attempt.name}): {fault}", flush=True)
        self._folder.mkdir(exist_ok=True)
        seen = f"\n\n==== {fault}: {answer.status} {answer.took_s:.1f} s\n"
        seen += f"{answer.headers}\n"
        parts = [attempt.data[:200_000], seen.encode(), answer.body[:20_000]]
        parts += [b"\n\n==== sent before on the same connection\n", attempt.previous]
        (self._folder / f"{number}.txt").write_bytes(b"".join(parts))

    def _enter(self, answer):
        body = _json(answer)
        request_id = answer.headers.get("X-Request-ID", "")
        with self._lock:
            if body.keys() == {"results"}:
                self.predicted[request_id] = len(body["results"])
            elif body.keys() == {"status", "job"} and body["status"] == "accepted":
                self.accepted[int(body["job"])] = request_id


def _faults(attempt, request, answer, *, is_first):
    """Yield a sentence for each promise that an answer breaks."""
    if answer.problem:
        cut_off = answer.status or not answer.problem.startswith("closed")
        if cut_off or (attempt.must_answer and is_first):
            yield answer.problem
        return
    status = answer.status
    if status >= 500 and (status != 503 or not _sentence(answer)):
        yield f"status {status}"
    if status >= 400 and request.method != "HEAD" and not _shaped(attempt, answer):
        yield f"status {status} without the shape of our errors"


def _shaped(attempt, answer):
    if _json(answer).keys() == _SHAPE:
        return bool(_json(answer)["request_id"]) and bool(_json(answer)["detail"])
    # Pages for people, which say the request id as well.
    for_people = b"/admin/" in attempt.data or b"text/html" in attempt.data
    return (
        for_people and answer.headers.get("X-Request-ID", "-").encode() in answer.body
    )


def _sentence(answer):
    return bool(_json(answer).get("detail")) or answer.body in {b"", b"not ready\n"}


def _json(answer):
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return {}
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_stream(request):
    return any(each in request.target for each in _STREAMS)
