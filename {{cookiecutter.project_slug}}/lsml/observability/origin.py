"""The origin that audit rows record: which request, command or job wrote them."""

import getpass
from dataclasses import dataclass
from typing import Self, TypedDict
from uuid import uuid4

from django.http import HttpRequest

from lsml.observability.requests import address_of, request_id_of


@dataclass(frozen=True, slots=True)
class Origin:
    """The request, command or job that causes rows to be written."""

    request_id: str  # 8 to 64 characters; a job's own id if there is no request
    client: str  # user name and address, or the program's name

    @classmethod
    def from_request(cls, request: HttpRequest, *, name: str | None = None) -> Self:
        """Describe an HTTP request.

        Args:
            request: Django's or REST framework's.
            name: The caller's name, if the request has no user yet.
        """
        name = request.user.get_username() if name is None else name
        return cls(request_id_of(request), f"{name} {address_of(request)}"[:200])

    @classmethod
    def from_command(cls, name: str) -> Self:
        """Describe `manage.py name`."""
        return cls(f"{name.replace(' ', '-')}-{uuid4().hex}"[:64], f"manage.py {name}")


class Requester(TypedDict):
    """The keyword arguments by which a service records who requested a change."""

    actor: str  # user name
    origin: Origin


def requester(request: HttpRequest) -> Requester:
    """Return who sent a request, for `service(…, **requester(request))`."""
    return Requester(
        actor=request.user.get_username(), origin=Origin.from_request(request)
    )


def command_actor() -> str:
    """Return the user who runs this command, for the column `actor`."""
    return f"command ({getpass.getuser()})"
