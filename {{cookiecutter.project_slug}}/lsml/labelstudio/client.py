"""A thin client of Label Studio's API, for `connect`, `sync` and fetching changes.

`lsml/labelstudio/api.py` sends the requests. Answers are returned as plain JSON;
failures are raised as `LabelStudioError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import httpx

from lsml.labelstudio.api import Api, not_label_studio
from lsml.labelstudio.failures import import_refusal, removal_refusal
from lsml.labelstudio.reading import JsonObject, as_dict, as_id, as_list

# Tasks per page. Label Studio gathers all annotations and predictions of a page.
PAGE_SIZE = 200
_PAGE_TIMEOUT_S = 180
_TEST_PREDICTION_TIMEOUT_S = 110  # Label Studio itself waits 100 s for the backend
# An import or a removal recounts all tasks: 14 s for an import of 20,000.
IMPORT_TIMEOUT_S = 300


class LabelStudio:
    """One Label Studio server, accessed with one token.

    Args:
        url: address as a browser opens it, with a path prefix if it has one.
        api_key: a legacy token or a personal access token.
        http: for tests; by default a client with a time limit that follows redirects.

    The token is sent only to paths below `url`/api/. A redirect elsewhere is an error,
    because exchanging a personal access token would send the token there.

    Raises:
        LabelStudioError: the address or the token cannot be used, or it has expired.
    """

    def __init__(
        self, *, url: str, api_key: str, http: httpx.Client | None = None
    ) -> None:
        self._api = Api(url=url, api_key=api_key, http=http)
        self.url = self._api.url

    def whoami(self) -> JsonObject:
        """Return the user that the token belongs to."""
        return self._api.ask("GET", "api/current-user/whoami")

    def project(self, project_id: int) -> JsonObject:
        """Return the project with its label config and creation time."""
        return self._api.ask("GET", f"api/projects/{project_id}/")

    def pages(
        self,
        project_id: int,
        *,
        after: int = 0,
        since: datetime | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[tuple[list[JsonObject], int]]:
        """Yield pages of tasks with annotations by ascending id, and the number left.

        Each request asks for ids above the last one seen. Deleted tasks therefore shift
        nothing, and an interrupted sync continues with `after`.

        Args:
            project_id: Label Studio's project ID.
            after: only tasks with a larger id.
            since: only tasks changed at or after it; an annotation changes its task.
            page_size: tasks per request.
        """
        while True:
            tasks, total = self.tasks(
                project_id, _filters(after, since), page_size=page_size, fields="all"
            )
            if not tasks:
                return
            last = as_id(tasks[-1].get("id"))
            if last is None:
                raise not_label_studio(self.url)
            yield tasks, max(0, total - len(tasks))
            if total <= len(tasks):
                return
            after = last

    def tasks(
        self, project_id: int, filters: JsonObject, *, page_size: int, **options: str
    ) -> tuple[list[JsonObject], int]:
        """Return the first tasks that match, by ascending id, and how many match.

        Args:
            project_id: Label Studio's project ID.
            filters: as the data manager writes them.
            page_size: how many tasks to return, at most; Label Studio needs about a
                millisecond for each.
            options: other parameters, such as `fields`.
        """
        query = {"filters": filters, "ordering": ["tasks:id"]}
        answer = self._api.ask(
            "GET",
            "api/tasks/",
            params={
                "project": project_id,
                "page": 1,
                "page_size": page_size,
                "resolve_uri": "false",  # the task's own data, as webhooks send it
                "query": json.dumps(query),
                **options,
            },
            timeout_s=_PAGE_TIMEOUT_S,
        )
        tasks = [as_dict(each) for each in as_list(answer.get("tasks"))]
        return tasks, as_id(answer.get("total")) or len(tasks)

    def view(self, view_id: int) -> JsonObject:
        """Return a view, which is a tab of the data manager, with its filters."""
        return self._api.ask("GET", f"api/dm/views/{view_id}/")

    def predictions(self, task_id: int) -> list[JsonObject]:
        """Return all predictions of a task; none if it does not exist."""
        return self._api.ask_list("GET", "api/predictions/", params={"task": task_id})

    def backends(self, project_id: int) -> list[JsonObject]:
        """Return the project's ML backends. Label Studio calls each of them first."""
        return self._api.ask_list("GET", "api/ml/", params={"project": project_id})

    def add_backend(self, fields: JsonObject) -> JsonObject:
        """Connect a backend. Label Studio calls its /health and /setup first."""
        return self._api.ask("POST", "api/ml/", body=fields)

    def change_backend(self, backend_id: int, fields: JsonObject) -> JsonObject:
        """Change a backend. `url` and `project` must be among the fields."""
        return self._api.ask("PATCH", f"api/ml/{backend_id}", body=fields)

    def remove_backend(self, backend_id: int) -> None:
        """Disconnect a backend. Label Studio keeps its webhook."""
        self._api.send("DELETE", f"api/ml/{backend_id}")

    def test_prediction(self, backend_id: int) -> JsonObject:
        """Have Label Studio request a prediction for a random task. It stores none."""
        return self._api.ask(
            "POST",
            f"api/ml/{backend_id}/predict/test",
            params={"random": "true"},
            timeout_s=_TEST_PREDICTION_TIMEOUT_S,
        )

    def import_predictions(self, project_id: int, predictions: bytes) -> int:
        """Store predictions, all or none, and return how many Label Studio stored.

        It leaves out those that do not fit its label config, and says nothing else.

        Args:
            project_id: Label Studio's project ID.
            predictions: a JSON list of objects with `task`, `result`, `score` and
                `model_version`.

        Raises:
            OutcomeUnknown: they may be stored, now or minutes later.
            InvalidTask: none is stored, because a task is not in the project.
            LabelStudioError: none is stored.
        """
        path = f"api/projects/{project_id}/import/predictions"
        status, answer = self._api.send_once(
            "POST", path, predictions, timeout_s=IMPORT_TIMEOUT_S
        )
        created = as_id(answer.get("created"))
        if status < 400 and created is not None:
            return created
        raise import_refusal(status, answer, url=self.url)

    def webhooks(self, project_id: int) -> list[JsonObject]:
        """Return the project's own webhooks, without the organisation's."""
        hooks = self._api.ask_list(
            "GET", "api/webhooks/", params={"project": project_id}
        )
        return [hook for hook in hooks if hook.get("project") == project_id]

    def add_webhook(self, fields: JsonObject) -> JsonObject:
        """Add a webhook."""
        return self._api.ask("POST", "api/webhooks/", body=fields)

    def change_webhook(self, webhook_id: int, fields: JsonObject) -> JsonObject:
        """Change a webhook."""
        return self._api.ask("PATCH", f"api/webhooks/{webhook_id}/", body=fields)

    def change_project(self, project_id: int, fields: JsonObject) -> None:
        """Change settings of a project."""
        self._api.send("PATCH", f"api/projects/{project_id}/", body=fields)

    def tabs(self, project_id: int) -> list[JsonObject]:
        """Return the tabs of the data manager."""
        return self._api.ask_list(
            "GET", "api/dm/views/", params={"project": project_id}
        )

    def add_tab(self, project_id: int, data: JsonObject) -> None:
        """Add a tab to the data manager; `data` has its title, order and filters."""
        self._api.send(
            "POST", "api/dm/views/", body={"project": project_id, "data": data}
        )

    def prediction_versions(self, project_id: int) -> dict[str, int]:
        """Return how many predictions of each version the project holds."""
        answer = self._api.ask(
            "GET",
            f"api/projects/{project_id}/model-versions/",
            params={"extended": "true"},  # else the chosen version is always listed
        )
        counted = cast("list[JsonObject]", answer.get("static") or [])
        return {
            str(each["model_version"]): as_id(each.get("count")) or 0
            for each in counted
        }

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Remove all predictions of a version, and return how many there were.

        Label Studio also empties the project's `model_version` if it is this version,
        or the title of a backend.

        Raises:
            OutcomeUnknown: they may be removed, now or much later, all at once.
            LabelStudioError: none is removed.
        """
        path = f"api/projects/{project_id}/model-versions/"
        body = json.dumps({"model_version": model_version}).encode()
        status, answer = self._api.send_once(
            "DELETE", path, body, timeout_s=IMPORT_TIMEOUT_S
        )
        removed = as_id(answer.get("deleted_predictions"))
        if status < 400 and removed is not None:
            return removed
        raise removal_refusal(status, answer, url=self.url)

    def touch_project(self, project_id: int) -> None:
        """Save the project unchanged, which makes Label Studio send PROJECT_UPDATED."""
        self.change_project(project_id, {})

    def remove_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        self._api.send("DELETE", f"api/webhooks/{webhook_id}/")


def _filters(after: int, since: datetime | None) -> JsonObject:
    items: list[JsonObject] = [
        {
            "filter": "filter:tasks:id",
            "operator": "greater",
            "type": "Number",
            "value": after,
        }
    ]
    if since is not None:
        items.append(
            {
                "filter": "filter:tasks:updated_at",
                "operator": "greater_or_equal",
                "type": "Datetime",
                "value": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
        )
    return {"conjunction": "and", "items": items}
