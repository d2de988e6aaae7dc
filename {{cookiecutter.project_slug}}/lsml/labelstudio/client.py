"""A thin client of Label Studio's API, for `connect`, `sync` and fetching changes.

The SDK sends the requests: it handles both kinds of token (legacy tokens, and personal
access tokens, which are exchanged for short-lived ones) and retries busy servers.
Answers are returned as plain JSON; failures are raised as `LabelStudioError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import httpx

from label_studio_ml.paths import is_sendable, path_below
from lsml.labelstudio.failures import (
    LabelStudioError,
    OutcomeUnknown,
    RedirectedElsewhere,
    Unreachable,
    import_refusal,
    refusal,
    removal_refusal,
)
from lsml.labelstudio.reading import JsonObject, as_dict, as_id, as_list

TIMEOUT_S = 60
# Tasks per page. Label Studio gathers all annotations and predictions of a page.
PAGE_SIZE = 200
_TEST_PREDICTION_TIMEOUT_S = 110  # Label Studio itself waits 100 s for the backend
# An import or a removal recounts all tasks: 14 s for an import of 20,000.
IMPORT_TIMEOUT_S = 300


class LabelStudio:
    """One Label Studio server, accessed with one token.

    Args:
        url: address as a browser opens it, with a path prefix if it has one.
        api_key: a legacy token or a personal access token.
        http: for tests; by default a client with `TIMEOUT_S` that follows redirects.

    The token is sent only to paths below `url`/api/. A redirect elsewhere is an error,
    because exchanging a personal access token would send the token there.

    Raises:
        LabelStudioError: the address or the token cannot be used, or it has expired.
    """

    def __init__(
        self, *, url: str, api_key: str, http: httpx.Client | None = None
    ) -> None:
        # Imported here: it takes half a second, and web processes do not need it.
        from label_studio_sdk import LabelStudio as Sdk
        from label_studio_sdk.core.api_error import ApiError

        _check_address(url)
        _check_key(api_key)
        self.url = url.rstrip("/")
        self._api_error = ApiError
        self._http = http or httpx.Client(timeout=TIMEOUT_S, follow_redirects=True)
        self._http.event_hooks = {"request": [self._check_target]}
        try:
            # Without the slash the SDK would refresh the token at the host's root.
            self._sdk = Sdk(
                base_url=f"{self.url}/", api_key=api_key, httpx_client=self._http
            )
        except ApiError as error:
            raise refusal(error.status_code, error.body, url=self.url) from None

    def whoami(self) -> JsonObject:
        """Return the user that the token belongs to."""
        return self._object("GET", "api/current-user/whoami")

    def project(self, project_id: int) -> JsonObject:
        """Return the project with its label config and creation time."""
        return self._object("GET", f"api/projects/{project_id}/")

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
                raise _not_label_studio(self.url)
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
        answer = self._object(
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
        )
        tasks = [as_dict(each) for each in as_list(answer.get("tasks"))]
        return tasks, as_id(answer.get("total")) or len(tasks)

    def view(self, view_id: int) -> JsonObject:
        """Return a view, which is a tab of the data manager, with its filters."""
        return self._object("GET", f"api/dm/views/{view_id}/")

    def predictions(self, task_id: int) -> list[JsonObject]:
        """Return all predictions of a task; none if it does not exist."""
        return self._list("GET", "api/predictions/", params={"task": task_id})

    def backends(self, project_id: int) -> list[JsonObject]:
        """Return the project's ML backends. Label Studio calls each of them first."""
        return self._list("GET", "api/ml/", params={"project": project_id})

    def add_backend(self, fields: JsonObject) -> JsonObject:
        """Connect a backend. Label Studio calls its /health and /setup first."""
        return self._object("POST", "api/ml/", body=fields)

    def change_backend(self, backend_id: int, fields: JsonObject) -> JsonObject:
        """Change a backend. `url` and `project` must be among the fields."""
        return self._object("PATCH", f"api/ml/{backend_id}", body=fields)

    def remove_backend(self, backend_id: int) -> None:
        """Disconnect a backend. Label Studio keeps its webhook."""
        self._request("DELETE", f"api/ml/{backend_id}")

    def test_prediction(self, backend_id: int) -> JsonObject:
        """Have Label Studio request a prediction for a random task. It stores none."""
        return self._object(
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
        status, answer = self._request_once("POST", path, predictions)
        created = as_id(answer.get("created"))
        if status < 400 and created is not None:
            return created
        raise import_refusal(status, answer, url=self.url)

    def webhooks(self, project_id: int) -> list[JsonObject]:
        """Return the project's own webhooks, without the organisation's."""
        hooks = self._list("GET", "api/webhooks/", params={"project": project_id})
        return [hook for hook in hooks if hook.get("project") == project_id]

    def add_webhook(self, fields: JsonObject) -> JsonObject:
        """Add a webhook."""
        return self._object("POST", "api/webhooks/", body=fields)

    def change_webhook(self, webhook_id: int, fields: JsonObject) -> JsonObject:
        """Change a webhook."""
        return self._object("PATCH", f"api/webhooks/{webhook_id}/", body=fields)

    def change_project(self, project_id: int, fields: JsonObject) -> None:
        """Change settings of a project."""
        self._request("PATCH", f"api/projects/{project_id}/", body=fields)

    def tabs(self, project_id: int) -> list[JsonObject]:
        """Return the tabs of the data manager."""
        return self._list("GET", "api/dm/views/", params={"project": project_id})

    def add_tab(self, project_id: int, data: JsonObject) -> None:
        """Add a tab to the data manager; `data` has its title, order and filters."""
        self._request(
            "POST", "api/dm/views/", body={"project": project_id, "data": data}
        )

    def prediction_versions(self, project_id: int) -> dict[str, int]:
        """Return how many predictions of each version the project holds."""
        answer = self._object(
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
        status, answer = self._request_once("DELETE", path, body)
        removed = as_id(answer.get("deleted_predictions"))
        if status < 400 and removed is not None:
            return removed
        raise removal_refusal(status, answer, url=self.url)

    def touch_project(self, project_id: int) -> None:
        """Save the project unchanged, which makes Label Studio send PROJECT_UPDATED."""
        self.change_project(project_id, {})

    def remove_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        self._request("DELETE", f"api/webhooks/{webhook_id}/")

    def _check_target(self, request: httpx.Request) -> None:
        """Refuse what is not the API.

        httpx calls this before each request and redirect, with the URL that it sends.
        """
        path = path_below(str(request.url), str(httpx.URL(self.url)).rstrip("/"))
        if path is None or not path.startswith("/api/"):
            elsewhere = request.url.copy_with(userinfo=b"", query=None, fragment=None)
            raise RedirectedElsewhere(url=self.url, elsewhere=str(elsewhere))

    def _object(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: JsonObject | None = None,
        timeout_s: int = TIMEOUT_S,
    ) -> JsonObject:
        answer = self._request(
            method, path, params=params, body=body, timeout_s=timeout_s
        )
        if not isinstance(answer, dict):
            raise _not_label_studio(self.url)
        return cast("JsonObject", answer)

    def _list(self, method: str, path: str, *, params: JsonObject) -> list[JsonObject]:
        answer = self._request(method, path, params=params)
        if not isinstance(answer, list):
            raise _not_label_studio(self.url)
        return cast("list[JsonObject]", answer)

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: JsonObject | list[JsonObject] | None = None,
        timeout_s: int = TIMEOUT_S,
    ) -> object:
        # The SDK's transport, not its models: they drop fields that they do not know.
        transport = self._sdk._client_wrapper.httpx_client
        try:
            response = transport.request(
                path,
                method=method,
                params=params,
                json=body,
                request_options={"timeout_in_seconds": timeout_s},
            )
            answer: object = response.json() if response.content else None
        except self._api_error as error:  # the exchange of a personal access token
            raise refusal(error.status_code, error.body, url=self.url) from None
        except httpx.HTTPError as error:
            raise Unreachable(url=self.url, reason=error) from None
        except ValueError:
            raise _not_label_studio(self.url) from None
        if response.is_success:
            return answer
        raise refusal(response.status_code, answer, url=self.url)

    def _request_once(
        self, method: str, path: str, body: bytes
    ) -> tuple[int, JsonObject]:
        """Send a long request, and return the status and, if it is JSON, the answer.

        Raises:
            OutcomeUnknown: there is no answer.
            LabelStudioError: it was not received, or the token was refused.
        """
        try:
            headers = self._sdk._client_wrapper.get_headers()
            # Without the SDK's transport, which repeats a request after some errors.
            response = self._http.request(
                method,
                f"{self.url}/{path}",
                content=body,
                headers={**headers, "Content-Type": "application/json"},
                timeout=IMPORT_TIMEOUT_S,
            )
        except self._api_error as error:  # the exchange of a personal access token
            raise refusal(error.status_code, error.body, url=self.url) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(url=self.url, reason=error) from None
        except httpx.HTTPError as error:
            raise OutcomeUnknown(url=self.url, reason=str(error)) from None
        try:
            return response.status_code, as_dict(response.json())
        except ValueError:
            return response.status_code, {}


def _check_address(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        raise LabelStudioError(
            "The address of Label Studio cannot be used.",
            "Use the form https://host or http://host:port/prefix, without a user name"
            " or password.",
        )


def _check_key(api_key: str) -> None:
    if not is_sendable(api_key):
        raise LabelStudioError(
            "The API key contains a space, a line break or another such character.",
            "Copy a personal access token from Account & Settings again.",
        )


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


def _not_label_studio(url: str) -> LabelStudioError:
    return LabelStudioError(
        f"The server at {url} is not Label Studio's API.",
        "Use the address at which a browser opens Label Studio.",
    )
