"""Sends texts to a chat's webhook and by e-mail. Knows no table.

The address of a webhook is a secret: no error, log line or row contains it.
"""

import smtplib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import httpx
from django.conf import settings
from django.core.mail import EmailMessage

from lsml.labelstudio.secrets import masked_text
from lsml.quality.alarms.models import AlarmMessage

WEBHOOK: Final = AlarmMessage.Channel.WEBHOOK
EMAIL: Final = AlarmMessage.Channel.EMAIL
TIMEOUT_S: Final = 5.0  # for connecting, and for each answer; for mail, EMAIL_TIMEOUT
_SUBJECT_CHARS_MAX: Final = 150


class NotSent(Exception):
    """A server did not accept a message; the text is a sentence for people."""


class Line(NamedTuple):
    """What a message says of one alarm."""

    text: str
    alarm_pk: int

    @property
    def address(self) -> str:
        """The alarm's page in the admin."""
        return f"{settings.CONSOLE_URL}/admin/quality/alarm/{self.alarm_pk}/change/"


def configured() -> list[AlarmMessage.Channel]:
    """Return the channels that the settings name."""
    named = {WEBHOOK: settings.ALERT_WEBHOOK_URL, EMAIL: settings.ALERT_EMAIL_TO}
    return [channel for channel, target in named.items() if target]


def send(channel: str, lines: Sequence[Line]) -> None:
    """Send one message about some alarms.

    Raises:
        NotSent: It was not accepted, or nobody knows.
    """
    masked = [Line(masked_text(line.text), line.alarm_pk) for line in lines]
    if channel == WEBHOOK:
        _post(masked)
    else:
        _mail(masked)


def _post(lines: Sequence[Line]) -> None:
    as_card = settings.ALERT_WEBHOOK_FORMAT == "teams"
    body = _card(lines) if as_card else _text(lines)
    try:
        # The body of the answer is not read: it may be endless.
        with httpx.stream(
            "POST",
            settings.ALERT_WEBHOOK_URL,
            json=body,
            timeout=TIMEOUT_S,
            follow_redirects=False,
        ) as answer:
            status, accepted = answer.status_code, answer.is_success
    except httpx.TimeoutException:
        raise NotSent(f"The webhook did not answer within {TIMEOUT_S:g} s.") from None
    except httpx.HTTPError as error:  # its text names the host at most
        reason = str(error) or type(error).__name__
        raise NotSent(f"The webhook does not answer: {reason}.") from None
    if not accepted:
        hint = " Redirects are not followed." if 300 <= status < 400 else ""
        raise NotSent(f"The webhook answered with status {status}.{hint}")


def _text(lines: Sequence[Line]) -> dict[str, str]:
    """Return the JSON that Slack and Mattermost take."""
    return {
        "text": "\n".join(f"{_escaped(line.text)}\n{line.address}" for line in lines)
    }


def _escaped(text: str) -> str:
    """Write the three characters that Slack reads as its markup, such as <!channel>."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(lines: Sequence[Line]) -> dict[str, Any]:
    """Return the JSON that workflows of Microsoft Teams take: an adaptive card."""
    blocks = [
        {"type": "TextBlock", "wrap": True, "text": text}
        for line in lines
        for text in (line.text, f"[Show]({line.address})")
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    return {
        "type": "message",
        "attachments": [{"contentType": content_type, "content": card}],
    }


def _mail(lines: Sequence[Line]) -> None:
    subject = " ".join(lines[0].text.split())[:_SUBJECT_CHARS_MAX]
    if len(lines) > 1:
        subject = f"{len(lines)} alarms: {subject}"
    body = "\n\n".join(f"{line.text}\n{line.address}" for line in lines)
    try:
        EmailMessage(subject, body, to=settings.ALERT_EMAIL_TO).send()
    except (OSError, smtplib.SMTPException) as error:
        reason = masked_text(" ".join(str(error).split())) or type(error).__name__
        raise NotSent(f"The e-mail was not accepted: {reason}.") from error
