"""Decides which requests for files get Label Studio's token."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from label_studio_sdk._extensions.label_studio_tools.core.utils import io as tools
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from .addresses import as_sent, origin_of
from .paths import is_file_path, is_sendable, path_below

_URL_VARIABLES = ("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST")

Token = str | Callable[[], str | None] | None


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """How to reach Label Studio. A callable `token` is called only when it is sent."""

    url: str  # "" if not configured
    token: Token
    configured: bool  # whether the operator set this URL; no other one gets a token

    @classmethod
    def from_environment(cls, url: str | None, token: Token) -> LabelStudio:
        known = list(filter(None, map(os.environ.get, _URL_VARIABLES)))
        base = _base(url or known[0]) if url or known else ""
        configured = any(origin_of(each) and _base(each) == base for each in known)
        return cls(base, token, configured)

    def address(self, path: str, wanted: str) -> str:
        """Return the URL of a path on Label Studio.

        Args:
            path: Path on Label Studio.
            wanted: What the task names, for the message.

        Raises:
            FileNotFoundError: Label Studio's address is not set.
        """
        if not self.url:
            raise FileNotFoundError(
                f"{wanted} must be fetched from Label Studio: set LABEL_STUDIO_URL to "
                "its address as seen from this machine, and LABEL_STUDIO_API_KEY to a "
                "token."
            )
        return f"{self.url}/{path.lstrip('/')}"

    def is_file(self, url: str) -> bool:
        """Return whether a URL, as it is sent, is a file of this Label Studio.

        A task may name Label Studio's API; that must not be read with our token.
        """
        return bool(self.url) and is_file_path(path_below(url, self.url))

    def authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add credentials to a request: the token to a file of Label Studio only.

        Passed to requests as `auth`. It thus gets the URL as it is sent, and requests
        adds nothing from ~/.netrc.

        Raises:
            FileNotFoundError: There is no token, or it may not be sent to this URL.
        """
        url = request.url or ""
        if self.is_file(url):
            request.headers["Authorization"] = self._authorization(url)
            return request
        in_url = get_auth_from_url(url)  # the task's own, for the host that it names
        return HTTPBasicAuth(*in_url)(request) if any(in_url) else request

    def _authorization(self, url: str) -> str:
        if not self.configured:
            raise FileNotFoundError(
                f"{url} needs credentials, which are sent only to the address in "
                f"LABEL_STUDIO_URL: set it to {self.url} if that is your Label Studio."
            )
        token = self.token() if callable(self.token) else self.token
        token = token or os.environ.get("LABEL_STUDIO_API_KEY")
        token = token or os.environ.get("LABEL_STUDIO_ACCESS_TOKEN")
        if not token:
            raise FileNotFoundError(
                f"{url} needs credentials: set LABEL_STUDIO_API_KEY to a token from "
                "Label Studio's account page."
            )
        if not is_sendable(token):
            raise FileNotFoundError(
                "Label Studio's token contains a space, a line break or another such "
                "character: set LABEL_STUDIO_API_KEY to an exact copy of it."
            )
        kind = "Bearer" if tools.is_jwt_well_formed(token) else "Token"
        return f"{kind} {token}"

    def refused(self, response: requests.Response) -> bool:
        """Return whether Label Studio refused the token, or redirected to its login.

        The same host with another scheme or port also counts as Label Studio: a
        redirect to it drops the token.
        """
        here, there = urlsplit(self.url), urlsplit(response.url)
        if not self.url or here.hostname != there.hostname:
            return False
        path = there.path.removeprefix(here.path)
        return response.status_code in {401, 403} or path.startswith("/user/login")


def _base(url: str) -> str:
    """Return Label Studio's address as it is sent, without a slash at the end."""
    if not origin_of(url) or "@" in urlsplit(url).netloc:
        raise ValueError(
            "LABEL_STUDIO_URL must begin with http:// or https://, and must not "
            "contain a user name or password."
        )
    return as_sent(url).partition("?")[0].rstrip("/")
