"""Clients that annotate and request predictions, and record every response."""

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

CREATED_AT = "2026-11-23T11:39:00Z"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)


_TIMEOUT_S = 30  # longer than any request may take


@dataclass
class Seen:
    """What the clients saw."""

    accepted: dict[int, str] = field(default_factory=dict)  # event id -> action
    predicted: dict[str, int] = field(default_factory=dict)  # request id -> tasks
    refused: int = 0  # error responses
    statuses: set[int] = field(default_factory=set)
    unanswered: int = 0  # connection refused, closed or timed out
    longest_s: float = 0.0  # until an answer, or until there was none
    webhook_ms: list[float] = field(default_factory=list)
    predict_ms: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Load:
    """Three annotating and two predicting clients, until `stop`."""

    def __init__(self, port, *, projects, seed, pause_s):
        self.seen = Seen()
        self._port = port
        self._projects = projects
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._number = 0
        self._made = {project: [] for project in range(1, projects + 1)}
        self._clock = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self._threads = [
            threading.Thread(target=self._run, args=[work, random.Random(seed + each)])
            for each, work in enumerate([self._annotate] * 3 + [self._predict] * 2)
        ]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work, rng):
        while not self._stop.wait(rng.uniform(0, 2 * self._pause_s)):
            work(rng)

    def _annotate(self, rng):
        project = rng.randint(1, self._projects)
        with self.seen.lock:
            self._number += 1
            number = self._number
            self._clock += timedelta(milliseconds=1)
            moment = self._clock.isoformat()
            earlier = rng.choice(self._made[project] or [None])
        body = _event(rng, number, earlier, moment)
        body["project"] = {"id": project, "created_at": CREATED_AT}
        status, answer, _, took_ms = self._post("/webhook", body)
        with self.seen.lock:
            self.seen.webhook_ms.append(took_ms)
            if status == 200:
                self.seen.accepted[int(answer["job"])] = body["action"]
                if body["action"] == "ANNOTATION_CREATED":
                    self._made[project].append(number)

    def _predict(self, rng):
        tasks = [
            {"id": number, "data": {"text": "hm"}}
            for number in range(rng.randint(1, 5))
        ]
        stamp = int(datetime.fromisoformat(CREATED_AT).timestamp())
        body = {
            "tasks": tasks,
            "project": f"{rng.randint(1, self._projects)}.{stamp}",
            "label_config": CONFIG,
            "params": {},
        }
        status, _, request_id, took_ms = self._post("/predict", body)
        with self.seen.lock:
            self.seen.predict_ms.append(took_ms)
            if status == 200:
                self.seen.predicted[request_id] = len(tasks)

    def _post(self, path, body):
        started = time.perf_counter()
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=_TIMEOUT_S
        )
        status, answer, request_id = 0, None, ""
        try:
            connection.request(
                "POST", path, json.dumps(body), {"Content-Type": "application/json"}
            )
            reply = connection.getresponse()
            request_id = reply.headers.get("X-Request-ID", "")
            answer = json.loads(reply.read())
            status = reply.status
        except (OSError, http.client.HTTPException, ValueError):
            status = 0
        finally:
            connection.close()
        took_s = time.perf_counter() - started
        with self.seen.lock:
            self.seen.longest_s = max(self.seen.longest_s, took_s)
            self.seen.statuses.add(status)
            self.seen.unanswered += status == 0
            self.seen.refused += status not in {0, 200}
        return status, answer, request_id, took_s * 1000


def _event(rng, number, earlier, moment):
    draw = rng.random()
    if draw < 0.02:
        return {"action": "START_TRAINING"}
    if draw < 0.06 and earlier:
        return {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": earlier}]}
    action, which = "ANNOTATION_CREATED", number
    if draw < 0.15 and earlier:
        action, which = "ANNOTATION_UPDATED", earlier
    return {
        "action": action,
        "annotation": {
            "id": which,
            "task": 1_000_000 + which,
            "result": [],
            "was_cancelled": False,
            "updated_at": moment,
        },
        "task": {
            "id": 1_000_000 + which,
            "data": {"text": f"text {which}"},
            "updated_at": moment,
        },
    }
