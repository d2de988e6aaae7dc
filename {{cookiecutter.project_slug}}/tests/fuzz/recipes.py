"""Where requests come from: recorded ones, the OpenAPI document, the admin's lists."""

import json
import re
import secrets
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from knox.models import AuthToken

from tests.fuzz import json_changes
from tests.fuzz.http_changes import CHANGES
from tests.fuzz.messages import Attempt, Message, single

_PROTOCOL = Path(__file__).resolve().parents[1] / "protocol"
_ROLES = ["viewer", "operator", "auditor", "admin"]
_LINK = re.compile(rb'href="(\?[^"#]{1,300})"')
_PROBES = ["/", "/health", "/live", "/ready", "/metrics", "/versions", "/api/v1/docs"]
_ADMIN_NAMES = ["q", "o", "p", "e", "all", "_facets", "_popup", "_to_field", "id", "pk"]
_ADMIN_VALUES = ["", "0", "-1", "1", "1.2.3", "-9.1", "9" * 30, "\0", "a", "é" * 300]
_ADMIN_VALUES += ["2026-11-30", "x'", "None", "\U0001f600", "[]", "true", "1,2", "%"]
_LOGIN = {"username": "viewer", "password": "wrong", "days": 1}
_FORMATS = {"json": 200, "csv": 2, "jsonl": 2}  # weights: each reads a whole list


class Recipes:
    """Makes attempts; learns ids and links from the answers."""

    def __init__(self):
        self._recorded = [
            json.loads(file.read_text()) for file in sorted(_PROTOCOL.rglob("*.json"))
        ]
        # More often than one of the many other recordings.
        predictions = [each for each in self._recorded if each["path"] == "/predict"]
        self._recorded += predictions * 3
        self._operations = list(_operations())
        self._lists = [
            reverse(
                f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            )
            for model in admin.site._registry
        ]
        self._ids = defaultdict(list)  # by list of the API
        self._links = ["?"]
        self._tokens, self._sessions = [], []
        for role in _ROLES:
            user = User.objects.create_user(role, is_staff=True, password=_password())
            user.groups.add(Group.objects.get(name=role))
            self._tokens.append(AuthToken.objects.create(user)[1])
            self._sessions.append(_session(user))
        root = User.objects.create_superuser("root", password=_password())
        self._sessions.append(_session(root))

    @property
    def token(self):
        """Return a token that may read and export everything."""
        return self._tokens[-1]

    def attempt(self, rng):
        """Return the next attempt."""
        draw = rng.random()
        if draw < 0.04:
            return self._pipeline(rng)
        name, message = self._message(rng)
        if rng.random() < 0.3:
            attempt = rng.choice(CHANGES)(rng, message)
        else:
            attempt = single("json", message)
        attempt.name = f"{name}, {attempt.name}"
        return attempt

    def learn(self, path, body):
        """Remember ids of the API's lists and links of the admin's."""
        if path.startswith("/api/v1/") and body.startswith(b'{"count"'):
            for row in json.loads(body)["results"][:20]:
                self._remember(self._ids[path.split("/")[3]], row.get("id"))
        elif path.startswith("/admin/"):
            for link in _LINK.findall(body)[:40]:
                self._remember(self._links, link.decode().replace("&amp;", "&"))

    @staticmethod
    def _remember(values, value):
        if value is not None and value not in values[-200:]:
            values.append(value)
            del values[:-400]

    def _pipeline(self, rng):
        messages = [self._message(rng)[1] for _ in range(rng.choice([2, 2, 3, 5]))]
        data = b"".join(each.encode() for each in messages)
        return Attempt("pipeline", data, messages)

    def _message(self, rng):
        sources = [self._label_studio, self._api, self._admin, self._probe]
        source = rng.choices(sources, [58, 25, 8, 9])[0]
        message = source(rng)
        message.headers.insert(0, ("Host", "127.0.0.1"))
        return source.__name__[1:], message

    def _label_studio(self, rng):
        recorded = rng.choice(self._recorded)
        if recorded.get("step") == "train" and rng.random() < 0.8:
            recorded = self._recorded[-1]  # or every project would train all the time
        headers = [(name, value) for name, value in recorded["headers"].items()]
        message = Message(recorded["method"], recorded["path"], headers)
        if message.method == "POST":
            whole = rng.random() < 0.4
            body = recorded["request"]
            message.body = (
                json.dumps(body).encode() if whole else json_changes.mutated(rng, body)
            )
        return message

    def _api(self, rng):
        method, path, parameters, examples = rng.choice(self._operations)
        known = self._ids[path.split("/")[3]]
        values = [*(known or [1])] * 3 + [0, -1, 1, 2**63 - 1, 2**63, "x", "%00", "1.0"]
        target = re.sub(r"\{\w+\}", str(rng.choice(values)), path)
        names = rng.sample(parameters, rng.randrange(min(4, len(parameters) + 1)))
        query = {name: self._parameter(rng, name, known) for name in names}
        message = Message(method, target + ("?" + urlencode(query) if query else ""))
        token = rng.choice([*self._tokens * 3, "x", "é" * 40, "a" * 64, None])
        if token is not None:
            message.set("Authorization", f"Bearer {token}")
        elif rng.random() < 0.7:
            message.set("Cookie", f"sessionid={rng.choice(self._sessions)}")
        if method == "POST":
            message.set("Content-Type", "application/json")
            body = rng.choice(examples)
            message.body = (
                json.dumps(body).encode()
                if rng.random() < 0.3
                else json_changes.mutated(rng, body)
            )
        return message

    def _parameter(self, rng, name, known):
        if name == "format":
            return rng.choices([*_FORMATS], [*_FORMATS.values()])[0]
        if name == "limit":
            return rng.choice([1, 5, 20, 20, 1_000, 0, -1, "x"])
        likely = {
            "order": ["newest", "oldest"],
            "after": known or [1],
            "since": [datetime.now(UTC).isoformat(), "2026-11-01"],
            "until": [datetime.now(UTC).isoformat(), "9999-12-31T23:59:59-12:00"],
            "state": ["succeeded", "running", "ready"],
            "task_id": [13, 31],
        }.get(name, [1, 2, "ANNOTATION_CREATED", "batch", "ok"])
        return rng.choice([*likely, *likely, *_ADMIN_VALUES])

    def _admin(self, rng):
        query = rng.choice(self._links)
        for _ in range(rng.choice([0, 0, 1, 2])):
            names = [*_ADMIN_NAMES, *re.findall(r"[?&](\w+)=", query)]
            pair = urlencode({rng.choice(names): rng.choice(_ADMIN_VALUES)})
            query += f"&{pair}"
        page = rng.choice([*self._lists, "/admin/"])
        if rng.random() < 0.15:
            page += rng.choice(["1/change/", "0/change/", "x/change/", "_3D/change/"])
        message = Message("GET", page + query)
        session = rng.choice([*self._sessions, *self._sessions, "x"])
        message.set("Cookie", f"sessionid={session}")
        return message

    def _probe(self, rng):
        return Message("GET", rng.choice(_PROBES))


def _operations():
    """Yield method, path, names of parameters and examples of bodies."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if not path.startswith("/api/v1/"):
                continue
            names = [
                each["name"]
                for each in operation.get("parameters", [])
                if each["in"] == "query"
            ]
            content = operation.get("requestBody", {}).get("content", {})
            described = content.get("application/json", {})
            examples = [
                each["value"] for each in described.get("examples", {}).values()
            ]
            yield method.upper(), path, names, examples or [_LOGIN]


def _password():
    return secrets.token_urlsafe(20)


def _session(user):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key
