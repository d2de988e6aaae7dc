"""Keeps tokens and passwords out of the audit log, the logs and error messages.

`masked` is for JSON that is stored, `masked_text` for a line that is shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import is_not

MASK = "***"
_SECRET_KEYS = frozenset(
    {
        "token", "accesstoken", "refreshtoken", "authtoken", "sessiontoken", "idtoken",
        "password", "passwd", "passphrase", "login", "authorization",
        "proxyauthorization", "apikey", "xapikey", "secret", "secretkey",
        "clientsecret", "accesskey", "accesskeyid", "secretaccesskey", "awsaccesskeyid",
        "awssecretaccesskey", "awssessiontoken", "privatekey", "credentials",
        "cookie", "setcookie", "basicauthpass", "basicauthuser", "webhooktoken",
        "xwebhooktoken",
    }
)  # fmt: skip
# A task may have columns called `token` or `login`. The other keys are always secrets.
_SECRET_IN_TASK_DATA = _SECRET_KEYS - {
    "token", "login", "secret", "credentials", "cookie", "accesskey",
}  # fmt: skip
_TASK_DATA = "data"
_MESSAGE_CHARS_MAX = 500
_KEY_CHARS_MAX = 100
_PLAIN = frozenset({int, float, bool, type(None)})

_URL_CREDENTIALS = re.compile(  # a user name alone may be a token
    r"(://)(?:[^/\s:@\"'<>]*:[^/\s@\"'<>]*|[^/\s:@?#\"'<>]+)@"
)
_URL_PARAMETER = re.compile(
    r"([?&;](?:access_?token|refresh_?token|auth_?token|token|api_?key|"
    r"password|passwd|pwd|secret|client_secret|sig|signature|authorization|"
    r"awsaccesskeyid|googleaccessid|x-(?:amz|goog)-(?:signature|credential|security-token))"
    r"=)[^&#\s\"'<>]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"\b(Bearer|Basic|Token)(\s+)[A-Za-z0-9._~+/-]{12,}=*", re.IGNORECASE
)
_SCHEME_STARTS = frozenset("BbTt")
_WHOLE_SCHEME = re.compile(r"(Bearer|Basic|Token)\s+\S+\s*", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
_ASSIGNMENT = re.compile(
    r"((?:access_?token|refresh_?token|api[_-]?key|password|passwd|basic_auth_pass|"
    r"secret(?:_access)?_key|secret|token)"
    r"[\"']?\s*[:=]\s*[\"']?)(?!\*\*\*)[^\s\"',;&}]+",
    re.IGNORECASE,
)


def masked(value: object) -> object:
    """Return a value with secrets replaced by `***`, ready to be stored as JSON.

    What has no secret is not copied: a body of a million values would need twice the
    memory.

    Secrets are found by key (`access_token`, `Authorization`, `task_data_password`, …),
    in URLs (user info, signatures), and as strings that are an authorization header or
    a JWT. Under `data`, where the keys are the user's own columns, only unambiguous
    keys count. NUL characters become U+FFFD, as PostgreSQL cannot store them.
    """
    return _masked(value, in_task_data=False)


def masked_task_data(data: object) -> object:
    """Mask a task's `data` alone, whose keys are the user's own columns."""
    return _masked(data, in_task_data=True)


def masked_text(text: str) -> str:
    """Mask free text: an exception, a log line, the output of a command.

    Lone surrogates, as in undecodable file names, become "?": JSON does not allow them.
    """
    text = text.encode(errors="replace").decode()
    text = _SCHEME.sub(rf"\1\2{MASK}", _masked_string(text))
    return _ASSIGNMENT.sub(rf"\1{MASK}", text)


def error_text(error: BaseException) -> str:
    """Return `Kind: message`, masked; of the message at most 500 characters."""
    return f"{type(error).__name__}: {masked_text(str(error))[:_MESSAGE_CHARS_MAX]}"


def _masked(value: object, *, in_task_data: bool) -> object:
    if isinstance(value, str):
        return _masked_string(value)
    if isinstance(value, dict):
        return _masked_object(value, in_task_data)
    if isinstance(value, (list, tuple)):
        items = [_masked(item, in_task_data=in_task_data) for item in value]
        return items if any(map(is_not, items, value)) else value
    return value


def _masked_object(value: dict[str, object], in_task_data: bool) -> dict[str, object]:
    copy = value
    for key, item in value.items():
        name = _without_nul(key) if "\x00" in key else key
        kept = item
        if item and _is_secret(key, in_task_data):
            kept = MASK
        elif item.__class__ not in _PLAIN:  # a call for each would double the time
            deeper = in_task_data or (key == _TASK_DATA and isinstance(item, dict))
            kept = _masked(item, in_task_data=deeper)
        if kept is item and name is key:
            continue
        if copy is value:
            copy = value.copy()
        if name is not key:
            del copy[key]
        copy[name] = kept
    return copy


def _is_secret(key: str, in_task_data: bool) -> bool:
    # No longer key is secret, and the cache must not keep texts of any length.
    return len(key) <= _KEY_CHARS_MAX and _is_short_secret(key, in_task_data)


@lru_cache(maxsize=4096)
def _is_short_secret(key: str, in_task_data: bool) -> bool:
    plain = key.lower().replace("-", "").replace("_", "")
    if in_task_data:
        return plain in _SECRET_IN_TASK_DATA
    return plain in _SECRET_KEYS or plain.removeprefix("taskdata") in _SECRET_KEYS


def _without_nul(text: str) -> str:
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _masked_string(text: str) -> str:
    text = _without_nul(text)
    if "://" in text and "@" in text:
        text = _URL_CREDENTIALS.sub(rf"\1{MASK}@", text)
    if "=" in text and ("?" in text or "&" in text):
        text = _URL_PARAMETER.sub(rf"\1{MASK}", text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    if text[:1] in _SCHEME_STARTS and _WHOLE_SCHEME.fullmatch(text):
        text = _SCHEME.sub(rf"\1\2{MASK}", text)
    return text
