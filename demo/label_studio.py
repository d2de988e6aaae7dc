"""Sends the requests of Label Studio, with its bodies, headers and time limits.

The bodies are those of Label Studio 1.23.2, from recorded traffic. Every request opens
a new connection, as in Label Studio.
"""

import base64
import http.client
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# How long Label Studio waits for a response, in seconds.
HEALTH_S, SETUP_S, PREDICT_S, WEBHOOK_S = 1.0, 3.0, 100.0, 1.0
FIRST_PREDICTED = 1001  # the ID of the first task in `predict`


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, and the seconds it took."""

    status: int
    body: Any
    seconds: float


class LabelStudio:
    """One Label Studio project that is connected to a backend."""

    def __init__(
        self,
        port: int,
        label_config: str,
        credentials: str | None,
        host: str = "127.0.0.1",
    ) -> None:
        """Create the project.

        Args:
            port: The backend's port.
            label_config: The project's labelling configuration (XML).
            credentials: `user:password` for basic auth; None to send none.
            host: The backend's address.
        """
        self._host, self._port = host, port
        self._label_config = label_config
        self._created = int(time.time())
        self._headers = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
        if credentials:
            token = base64.b64encode(credentials.encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def health(self) -> Reply:
        """Request the backend's health."""
        return self._send("GET", "/health", None, HEALTH_S)

    def setup(self) -> Reply:
        """Send the label config; the response names the model version."""
        body = {
            "project": self._project,
            "schema": self._label_config,
            "hostname": "http://127.0.0.1:8080",
            "access_token": "demo-token",
            "extra_params": None,
        }
        return self._send("POST", "/setup", body, SETUP_S)

    def predict(self, texts: list[str]) -> Reply:
        """Request predictions, as "Retrieve predictions" does."""
        body = {
            "tasks": [
                self._task(number, text)
                for number, text in enumerate(texts, FIRST_PREDICTED)
            ],
            "project": self._project,
            "label_config": self._label_config,
            "params": {"login": None, "password": None, "context": None},
        }
        return self._send("POST", "/predict", body, PREDICT_S)

    def annotate(self, number: int, text: str, choice: str) -> Reply:
        """Send the webhook for a choice that an annotator submitted."""
        region = {
            "id": uuid.uuid4().hex[:10],
            "from_name": "topic",
            "to_name": "text",
            "type": "choices",
            "origin": "manual",
            "value": {"choices": [choice]},
        }
        body = {
            "action": "ANNOTATION_CREATED",
            "annotation": self._annotation(number, region),
            "task": self._task(number, text) | {"is_labeled": True},
            "project": {
                "id": 1,
                "title": "Customer messages",
                "label_config": self._label_config,
                "created_at": datetime.fromtimestamp(self._created, UTC).isoformat(),
            },
        }
        return self._send("POST", "/webhook", body, WEBHOOK_S, "python-requests/2.32.5")

    @property
    def _project(self) -> str:
        return f"1.{self._created}"

    def _task(self, number: int, text: str) -> dict[str, Any]:
        moment = datetime.now(UTC).isoformat()
        return {
            "id": number,
            "data": {"text": text},
            "meta": {},
            "created_at": moment,
            "updated_at": moment,
            "is_labeled": False,
            "overlap": 1,
            "inner_id": number,
            "total_annotations": 0,
            "cancelled_annotations": 0,
            "total_predictions": 0,
            "project": 1,
            "annotations": [],
            "predictions": [],
        }

    def _annotation(self, number: int, region: dict[str, Any]) -> dict[str, Any]:
        moment = datetime.now(UTC).isoformat()
        return {
            "id": number,
            "result": [region],
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": moment,
            "updated_at": moment,
            "lead_time": 2.5,
            "prediction": {},
            "result_count": 1,
            "unique_id": str(uuid.uuid4()),
            "task": number,
            "project": 1,
            "completed_by": 1,
            "updated_by": 1,
            "parent_prediction": None,
            "parent_annotation": None,
        }

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        timeout_s: float,
        agent: str = "heartex/1.23.2",
    ) -> Reply:
        sent = None if body is None else json.dumps(body)
        headers = self._headers | {"User-Agent": agent}
        if sent:
            headers["Content-Type"] = "application/json"
        started = time.monotonic()
        backend = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            backend.request(method, path, sent, headers)
            response = backend.getresponse()
            content = response.read()
        finally:
            backend.close()
        seconds = time.monotonic() - started
        return Reply(response.status, _json_or_text(content), seconds)


def _json_or_text(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
