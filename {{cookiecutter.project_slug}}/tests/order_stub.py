"""A Label Studio that also has backends, a sampling and tabs, for tests of its order.

What it does was seen in Label Studio 1.23.2; tests/labelstudio/ checks it against that.
"""

import json
from contextlib import contextmanager

from tests.http_stub import http_stub
from tests.studio_stub import PROJECT, StudioStub

URL = "http://10.0.0.5:9090"
AWAY = (503, {}, {"detail": "away"})
REFUSED = (400, {}, {"detail": "not now"})  # unlike 503, not tried again


class OrderStub(StudioStub):
    """Backends by ID, and in `calls` what changed something, in order."""

    def __init__(self, label_config, tasks):
        super().__init__(label_config, tasks)
        self.sampling, self.maximum_annotations = "Sequential sampling", 1
        self.shown = "lsml"
        self.backends, self.tabs, self.calls = {}, [], []
        self.away = False
        self.fail_on = ""  # calls that begin like this are refused
        self.add_backend("lsml")

    def add_backend(self, title, url=URL):
        number = len(self.backends) + 1
        self.backends[number] = {
            "id": number, "title": title, "url": url, "state": "CO", "project": 1,
            "auth_method": "BASIC_AUTH", "basic_auth_user": "me",
        }  # fmt: skip

    @property
    def order(self):
        titles = [each["title"] for each in self.backends.values()]
        return titles, self.shown, self.sampling

    def respond(self, url, method):
        self.titles = {each["title"] for each in self.backends.values()}
        if self.away:
            return AWAY
        if url.path.endswith("import/predictions"):
            self.calls.append("predictions")
        if url.path.startswith("/api/ml"):
            return self._ml(url.path, method)
        if (url.path, method) == (PROJECT, "PATCH"):
            return self._change_project(self.changes)
        if url.path == "/api/dm/views/":
            return self._tabs(method)
        return super().respond(url, method)

    def _project(self, query):
        status, headers, about = super()._project(query)
        about |= {"id": 1, "title": "P"}
        about |= {
            "sampling": self.sampling,
            "maximum_annotations": self.maximum_annotations,
        }
        return status, headers, about

    def _refused(self, call):
        self.calls.append(call)
        return bool(self.fail_on) and call.startswith(self.fail_on)

    def _ml(self, path, method):
        if method == "GET":
            return 200, {}, list(self.backends.values())
        backend = self.backends[int(path.rpartition("/")[2])]
        before = backend["title"]
        if method == "DELETE":
            if self._refused("remove backend"):
                return REFUSED
            del self.backends[backend["id"]]
            if self.shown == before:
                self.shown = None
            return 204, {}, b""
        fields = self.changes
        assert {"url", "project"} <= fields.keys()
        # An empty password stands for the stored one; none at all is refused.
        assert fields["basic_auth_pass"] == ""
        if self._refused(f"title {fields['title']}"):
            return REFUSED
        backend |= fields
        if self.shown == before:
            self.shown = fields["title"]
        return 200, {}, backend

    def _change_project(self, fields):
        if self._refused(f"project {' '.join(sorted(fields))}"):
            return REFUSED
        version = fields.get("model_version", self.shown)
        stored = {name for _, name in self.predictions}
        if version != self.shown and version not in stored | self.titles:
            return 400, {}, {"detail": "Model version doesn't exist."}
        self.shown = version
        self.sampling = fields.get("sampling", self.sampling)
        return 200, {}, {}

    def _tabs(self, method):
        if method == "POST":
            self.tabs.append({"id": 1} | json.loads(self.bodies[-1]))
        return 200, {}, self.tabs


@contextmanager
def order_stub(label_config, tasks):
    with http_stub(OrderStub(label_config, tasks)) as stub:
        yield stub
