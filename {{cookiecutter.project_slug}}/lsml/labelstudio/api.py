"""Sends requests to Label Studio's API, each within a time limit.

The SDK sends most of them: it handles both kinds of token (legacy tokens, and personal
access tokens, which are exchanged for short-lived ones) and retries busy servers.
Answers are returned as plain JSON; failures are raised as `LabelStudioError`.
"""

from __future__ import annotations

from typing import cast

import httpx

from label_studio_ml.paths import is_sendable, path_below
from lsml.labelstudio.deadline import ONE_REQUEST_EACH, set_deadline
from lsml.labelstudio.failures import (
    LabelStudioError,
    OutcomeUnknown,
    RedirectedElsewhere,
    Unreachable,
    refusal,
)
from lsml.labelstudio.reading import JsonObject, as_dict

TIMEOUT_S = 60


class Api:
    """The API of one Label Studio server, accessed with one token.

    A time limit is one of the whole request, from the connection to the end of the
    answer.

    Args:
        url: address as a browser opens it, with a path prefix if it has one.
        api_key: a legacy token or a personal access token.
        http: for tests; by default a client with `TIMEOUT_S` that follows redirects.

    Raises:
        LabelStudioError: the address or the token cannot be used, or it has expired.
    """

    def __init__(
        self, *, url: str, api_key: str, http: httpx.Client | None = None
    ) -> None:
        # Imported here: it takes a while, and web processes do not need it. The class
        # that it is the base of needs pandas, which only models have.
        from label_studio_sdk.base_client import LabelStudioBase as Sdk
        from label_studio_sdk.core.api_error import ApiError

        _check_address(url)
        _check_key(api_key)
        self.url = url.rstrip("/")
        self._api_error = ApiError
        self._http = http or httpx.Client(
            timeout=TIMEOUT_S, follow_redirects=True, limits=ONE_REQUEST_EACH
        )
        self._http.event_hooks = {"request": [self._check_target, set_deadline]}
        try:
            # Without the slash the SDK would refresh the token at the host's root.
            self._sdk = Sdk(
                base_url=f"{self.url}/", api_key=api_key, httpx_client=self._http
            )
        except ApiError as error:
            raise refusal(error.status_code, error.body, url=self.url) from None

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: JsonObject | None = None,
        timeout_s: float | None = None,
    ) -> JsonObject:
        """Send a request whose answer is an object; by default within TIMEOUT_S."""
        answer = self.send(method, path, params=params, body=body, timeout_s=timeout_s)
        if not isinstance(answer, dict):
            raise not_label_studio(self.url)
        return cast("JsonObject", answer)

    def ask_list(
        self, method: str, path: str, *, params: JsonObject
    ) -> list[JsonObject]:
        """Send a request whose answer is a list."""
        answer = self.send(method, path, params=params)
        if not isinstance(answer, list):
            raise not_label_studio(self.url)
        return cast("list[JsonObject]", answer)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: JsonObject | None = None,
        timeout_s: float | None = None,
    ) -> object:
        """Send a request, and return the answer; None if it has no body."""
        # The SDK's transport, not its models: they drop fields that they do not know.
        transport = self._sdk._client_wrapper.httpx_client
        try:
            response = transport.request(
                path,
                method=method,
                params=params,
                json=body,
                request_options=timeout_s and {"timeout_in_seconds": timeout_s},
            )
            answer: object = response.json() if response.content else None
        except self._api_error as error:  # the exchange of a personal access token
            raise refusal(error.status_code, error.body, url=self.url) from None
        except httpx.HTTPError as error:
            raise Unreachable(url=self.url, reason=error) from None
        except ValueError:
            raise not_label_studio(self.url) from None
        if response.is_success:
            return answer
        raise refusal(response.status_code, answer, url=self.url)

    def send_once(
        self, method: str, path: str, body: bytes, *, timeout_s: float
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
                timeout=timeout_s,
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

    def _check_target(self, request: httpx.Request) -> None:
        """Refuse what is not the API.

        httpx calls this before each request and redirect, with the URL that it sends.
        """
        path = path_below(str(request.url), str(httpx.URL(self.url)).rstrip("/"))
        if path is None or not path.startswith("/api/"):
            elsewhere = request.url.copy_with(userinfo=b"", query=None, fragment=None)
            raise RedirectedElsewhere(url=self.url, elsewhere=str(elsewhere))


def not_label_studio(url: str) -> LabelStudioError:
    """Return the failure for an answer that Label Studio would not give."""
    return LabelStudioError(
        f"The server at {url} is not Label Studio's API.",
        "Use the address at which a browser opens Label Studio.",
    )


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
