"""Sends errors to Sentry: what is logged as an error, and what nothing handles.

Off unless SENTRY_DSN is set and requirements/sentry.txt is installed; then nothing of
it is imported. docs/observability.md says what is sent.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

_OWN: Final = ("lsml.", "config.")
# What a library may have added: requests, people, and what was logged before.
_NEVER_SENT: Final = ("breadcrumbs", "extra", "logentry", "request", "user")


def start(dsn: str, *, mask: Callable[[str], str]) -> str:
    """Let this process and its children send errors.

    Args:
        dsn: The address of a project in Sentry, with its key.
        mask: Removes secrets from a text.

    Returns:
        Why nothing will be sent; "" = it will.
    """
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.dedupe import DedupeIntegration
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.threading import ThreadingIntegration
        from sentry_sdk.utils import BadDsn
    except ImportError:
        return (
            "SENTRY_DSN is set, but sentry-sdk is not installed: no error is sent."
            " Install requirements/sentry.txt."
        )
    try:
        sentry_sdk.init(
            dsn,
            before_send=lambda event, _: _scrubbed(event, mask),
            # `send_default_pii` is off by default, and naming it is deprecated.
            max_request_body_size="never",
            include_local_variables=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                AtexitIntegration(callback=lambda pending, timeout: None),
                DedupeIntegration(),
                ExcepthookIntegration(),
                ThreadingIntegration(propagate_scope=False),
            ],
        )
    except BadDsn:
        return "SENTRY_DSN cannot be read: no error is sent. Copy it from Sentry."
    return ""


def report(event: dict[str, Any]) -> None:
    """Send what was logged as an error.

    Args:
        event: As logged: the sentence, the logger, the request id, and `exc_info`.
    """
    import sentry_sdk

    logger = event.get("logger", "")
    if logger.startswith("sentry_sdk"):  # its own, such as that Sentry is away
        return
    tags = {"logger": logger, "request_id": event.get("request_id", "")}
    error = _error_of(event.get("exc_info"))
    # Ours are constants. The text of another logger may quote a task.
    text = (
        str(event["event"]) if logger.startswith(_OWN) else f"error logged by {logger}"
    )
    if error is None:
        sentry_sdk.capture_message(text, level="error", tags=tags)
    else:
        sentry_sdk.capture_exception(error, tags=tags | {"logged": text})


def flush() -> None:
    """Send what was not sent yet: this process ends without exit handlers."""
    if sdk := sys.modules.get("sentry_sdk"):
        sdk.flush(timeout=2.0)


def _error_of(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        found: BaseException | None = exc_info[1]
        return found
    return sys.exc_info()[1] if exc_info else None


def _scrubbed(event: Any, mask: Callable[[str], str]) -> Any:
    """Leave out the texts of exceptions, which may quote a task; mask the others."""
    for name in _NEVER_SENT:
        event.pop(name, None)
    for error in event.get("exception", {}).get("values", []):
        error["value"] = ""
    if "message" in event:
        event["message"] = mask(event["message"])
    return event
