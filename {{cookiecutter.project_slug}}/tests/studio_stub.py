"""A Label Studio on loopback with one project, as far as bulk predictions see it.

What it does was seen in Label Studio 1.23.2; tests/labelstudio/ checks it against that.
"""

import json
from collections import Counter
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from tests.http_stub import METHOD, HttpStub, http_stub

PROJECT = "/api/projects/1/"
LOST = (502, {}, b"<html>Bad Gateway</html>")


class StudioStub(HttpStub):
    """Tasks with the versions of their predictions, and scripted answers to imports."""

    def __init__(self, label_config, tasks):
        super().__init__()
        self.label_config = label_config
        self.tasks = set(tasks)
        self.predictions = []  # (task, version)
        self.imports = []  # how the next ones end: "lost", "late", "never", "drop"
        self.late = []  # stored when asked for the third time
        self.views = {}  # by ID; each an object with its filters
        # What the project shows. It is emptied if its predictions are removed, or if it
        # is the title of a backend.
        self.shown, self.titles = "v", {"v"}
        self.created_at = "2026-11-23T11:39:00Z"  # second 1795433940
        self.changes = None  # what the request's body changes or removes
        self.removals = 0
        self.removal_answer = None  # in place of the number of those removed
        self.asked = 0

    def import_count(self):
        return sum(path.endswith("import/predictions") for path in self.paths)

    def listed(self):
        """Return how many requests listed tasks, rather than counted them."""
        pages = [path for path in self.paths if path.startswith("/api/tasks/")]
        return sum("page_size=1&" not in path for path in pages)

    def versions_of(self, task):
        return [version for of, version in self.predictions if of == task]

    def each_once(self, version):
        return Counter(self.predictions) == Counter((t, version) for t in self.tasks)

    def answer(self, path, headers):
        self.requests.append((path, headers))
        method = headers[METHOD]
        changing = method in {"PATCH", "DELETE"}
        self.changes = json.loads(self.bodies.pop() or b"null") if changing else None
        return self.respond(urlsplit(path), method)

    def respond(self, url, _method):
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if url.path.startswith("/api/dm/views/"):
            return self._view(int(url.path.split("/")[4]))
        return {
            PROJECT: self._project,
            f"{PROJECT}model-versions/": self._versions,
            f"{PROJECT}import/predictions": self._import,
            "/api/tasks/": self._list,
            "/api/predictions/": self._of_task,
            "/api/ml/": lambda _query: (200, {}, [{"title": t} for t in self.titles]),
        }[url.path](query)

    def _view(self, number):
        found = self.views.get(number)
        return (200, {}, found) if found else (404, {}, {"detail": "Not found."})

    def _project(self, _query):
        if changes := self.changes:
            if changes["model_version"] not in self.titles | self._stored_versions():
                return 400, {}, {"model_version": ["It does not exist."]}
            self.shown = changes["model_version"]
        return (
            200,
            {},
            {
                "label_config": self.label_config,
                "task_number": len(self.tasks),
                "model_version": self.shown,
                "created_at": self.created_at,
            },
        )

    def _versions(self, _query):
        if self.changes:
            removed = self.changes["model_version"]
            kept = [each for each in self.predictions if each[1] != removed]
            count = len(self.predictions) - len(kept)
            self.predictions = kept
            self.removals += 1
            if self.shown == removed or self.shown in self.titles:
                self.shown = None
            return self.removal_answer or (200, {}, {"deleted_predictions": count})
        counts = Counter(version for _, version in self.predictions)
        static = [{"model_version": name, "count": n} for name, n in counts.items()]
        return 200, {}, {"static": static}

    def _stored_versions(self):
        return {version for _, version in self.predictions}

    def _list(self, query):
        items = json.loads(query["query"])["filters"]["items"]
        found = [
            task for task in sorted(self.tasks)
            if all(self._matches(task, item) for item in items)
        ]  # fmt: skip
        page = [
            {"id": task, "predictions_model_versions": ",".join(self.versions_of(task))}
            for task in found[: int(query["page_size"])]
        ]
        return 200, {}, {"total": len(found), "tasks": page}

    def _matches(self, task, item):
        value = item["value"]
        if item["filter"] == "filter:tasks:id":
            return value["min"] <= task <= value["max"]
        has = any(part in v for part in value for v in self.versions_of(task))
        return has is (item["operator"] == "contains")

    def _of_task(self, query):
        self.asked += 1
        if self.asked == 3:
            self.predictions += self.late
        versions = self.versions_of(int(query["task"]))
        return 200, {}, [{"model_version": version} for version in versions]

    def _import(self, _query):
        sent = json.loads(self.bodies[-1])
        end = self.imports.pop(0) if self.imports else "stored"
        if unknown := [each["task"] for each in sent if each["task"] not in self.tasks]:
            text = f'{{…}} contains invalid "task" field: task ID {unknown[0]}'
            errors = {"non_field_errors": [text]}
            return 400, {}, {"detail": "Validation error", "validation_errors": errors}
        if end == "drop":
            sent = sent[1:]
        rows = [(each["task"], each["model_version"]) for each in sent]
        if end == "late":
            self.late = rows
        if end in {"stored", "lost", "drop"}:
            self.predictions += rows
        return LOST if end in {"lost", "late", "never"} else (
            201, {}, {"created": len(rows)}
        )  # fmt: skip


@contextmanager
def studio_stub(label_config, tasks):
    with http_stub(StudioStub(label_config, tasks)) as stub:
        yield stub
