"""Where a deed done in the console came from."""

from ipaddress import ip_address

from django.http import HttpRequest

from lsml.audit.services import Origin
from lsml.observability.requests import address_of


def origin_of(request: HttpRequest, *, name: str | None = None) -> Origin:
    """Ties the audit rows of this request together, and to the person.

    Args:
        request: what the person's browser sent.
        name: of who called, where nobody is logged in yet.
    """
    name = request.user.get_username() if name is None else name
    return Origin(
        # A request made up by a test or a command went through no middleware.
        request_id=request.META.get("lsml.request_id", "no-request"),
        client=f"{name} {address_of(request)}"[:200],
    )


def login_address(request: HttpRequest) -> str:
    """What the login's throttle counts by; a unix socket's peer is this machine."""
    address = address_of(request)
    try:
        return str(ip_address(address))
    except ValueError:
        return "127.0.0.1"
