"""Messages about alarms: sent once, retried, and never with the webhook's address."""

import json
import socket
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from lsml.console.links import page_of
from lsml.quality import tasks
from lsml.quality.alarms import channels, checks, messages
from lsml.quality.alarms.conditions import Condition
from lsml.quality.models import Alarm, AlarmCheck, AlarmMessage

pytestmark = pytest.mark.django_db
Kind = Alarm.Kind


def check(*conditions, kind=Kind.FAILED_RUN, times=1):
    for _ in range(times):
        checks.record({kind: list(conditions)}, timezone.now())


def send(after_s=0.0):
    messages.send_due(timezone.now() + timedelta(seconds=after_s))


def failed(project=None, text="Run 7 failed: only one class", subject=""):
    return Condition(text, "Read its log.", project, subject)


def texts(chat):
    return [json.loads(body)["text"] for body in chat.bodies]


def test_an_alarm_is_sent_when_it_opens_and_when_it_clears(project, chat):
    project.title = "Support mail"
    project.save()
    for conditions, times in (([failed(project)], 5), ([], 5)):
        for _ in range(times):
            check(*conditions)
            send()
    alarm = Alarm.objects.get()
    address = f"https://ml.example{page_of(alarm)}"
    said = "Support mail: Run 7 failed: only one class"
    assert texts(chat) == [
        f"{said}. Read its log.\n{address}",
        f"Cleared: {said}\n{address}",
    ]
    assert not AlarmMessage.objects.filter(sent_at=None).exists()


def test_alarms_that_open_together_are_one_message(project, chat):
    each = [failed(project, f"Version v{n} fails.", f"v{n}") for n in range(25)]
    check(*each, times=2)
    send()
    [text] = texts(chat)
    assert text.count(" fails.") == 20
    send()
    assert texts(chat)[1].count(" fails.") == 5


def test_without_a_channel_nothing_is_to_be_sent(settings):
    check(failed(), times=2)
    assert Alarm.objects.get().state == "open"
    assert not AlarmMessage.objects.exists()


def test_markup_of_slack_in_a_text_is_shown_as_text(chat):
    check(failed(text="Run 7 failed: <!channel> & more"), times=2)
    send()
    assert "Run 7 failed: &lt;!channel&gt; &amp; more" in texts(chat)[0]


def test_a_secret_in_a_text_is_masked(chat):
    check(failed(text="Run 7 failed: https://u:hunter2@host"), times=2)
    send()
    assert "hunter2" not in texts(chat)[0]


def test_teams_gets_an_adaptive_card(chat, settings):
    settings.ALERT_WEBHOOK_FORMAT = "teams"
    check(failed(), times=2)
    send()
    [body] = map(json.loads, chat.bodies)
    [attachment] = body["attachments"]
    assert body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    assert card["body"][0]["text"] == "Run 7 failed: only one class. Read its log."
    page = page_of(Alarm.objects.get())
    assert card["body"][1]["text"] == f"[Show](https://ml.example{page})"


def test_a_message_that_was_not_accepted_is_tried_five_times(chat):
    chat.answers["/hook/secret-path"] = (500, {}, b"no")
    check(failed(), times=2)
    for after_s in (0, 10, 20, 90, 500, 1500, 9000, 90000):
        send(after_s)
    message = AlarmMessage.objects.get()
    assert len(chat.bodies) == message.attempts == 5
    assert message.error == "The webhook answered with status 500."
    assert message.sent_at is message.next_attempt_at is None


def test_an_attempt_that_succeeds_is_the_last_and_removes_the_error(chat):
    chat.answers["/hook/secret-path"] = (503, {}, b"")
    check(failed(), times=2)
    send()
    chat.answers["/hook/secret-path"] = b"ok"
    for after_s in (20, 90, 500):
        send(after_s)
    message = AlarmMessage.objects.get()
    assert (len(chat.bodies), message.error) == (2, "")
    assert message.sent_at


def test_a_redirect_is_not_followed(chat):
    elsewhere = {"Location": f"{chat.url}/elsewhere"}
    chat.answers["/hook/secret-path"] = (307, elsewhere, b"")
    check(failed(), times=2)
    send()
    assert chat.paths == ["/hook/secret-path"]
    error = AlarmMessage.objects.get().error
    assert error == "The webhook answered with status 307. Redirects are not followed."


@contextmanager
def frozen():
    """Yield the port of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_webhook_that_hangs_is_left_after_the_time_limit(settings, monkeypatch):
    monkeypatch.setattr(channels, "TIMEOUT_S", 0.3)
    with frozen() as port:
        settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{port}/hook"
        check(failed(), times=2)
        send()
    error = AlarmMessage.objects.get().error
    assert error == "The webhook did not answer within 0.3 s."


def test_an_endless_answer_is_not_read(settings):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings.ALERT_WEBHOOK_URL = (
            f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        )
        ended = threading.Event()

        def answer():
            peer, _ = listening.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
                ended.wait(20)

        thread = threading.Thread(target=answer)
        thread.start()
        check(failed(), times=2)
        send()
        ended.set()
        thread.join()
    assert AlarmMessage.objects.get().sent_at


def test_the_address_of_the_webhook_is_in_no_row_and_no_log_line(
    settings, chat, capfd, caplog
):
    caplog.set_level("DEBUG")
    for answer in ((500, {}, b""), (302, {"Location": "/x"}, b""), b"ok"):
        chat.answers["/hook/secret-path"] = answer
        check(failed(), times=2)
        send(20 * len(chat.bodies) ** 4)
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:1/hook/secret-path"
    check(failed(subject="another"), times=2)
    send()
    said = "".join(AlarmMessage.objects.values_list("error", flat=True))
    assert "does not answer" in said
    printed = capfd.readouterr()
    ours = [each.getMessage() for each in caplog.records if "httpcore" not in each.name]
    for text in (said, printed.out, printed.err, *ours):
        assert "secret-path" not in text


def test_an_alarm_that_clears_before_it_could_be_sent_is_not_sent(chat):
    chat.answers["/hook/secret-path"] = (500, {}, b"")
    check(failed(), times=2)
    send()
    check(times=3)
    chat.answers["/hook/secret-path"] = b"ok"
    send(3600)
    assert Alarm.objects.get().state == "cleared"
    assert len(chat.bodies) == 1


def test_a_mail_goes_to_all_addresses(settings, project):
    settings.ALERT_EMAIL_TO = ["ana@example.com", "bo@example.com"]
    settings.CONSOLE_URL = "https://ml.example"
    check(failed(text="Run 7 failed:\nBcc: x@example.com"), times=2)
    send()
    send()
    [letter] = mail.outbox
    assert letter.to == ["ana@example.com", "bo@example.com"]
    said = "Run 7 failed: Bcc: x@example.com. Read its log."
    assert letter.subject == said
    assert f"https://ml.example{page_of(Alarm.objects.get())}" in letter.body


def test_a_mail_server_that_hangs_does_not_keep_the_webhook_from_being_sent(
    chat, settings
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.ALERT_EMAIL_TO = ["ana@example.com"]
    settings.EMAIL_TIMEOUT = 0.3
    with frozen() as settings.EMAIL_PORT:
        settings.EMAIL_HOST = "127.0.0.1"
        check(failed(), times=2)
        send()
    sent = {each.channel: each for each in AlarmMessage.objects.all()}
    assert sent["webhook"].sent_at
    said = "The e-mail was not accepted: Connection unexpectedly closed: timed out."
    assert sent["email"].error == said
    send(20)
    assert len(chat.bodies) == 1  # though the mail is tried again


def test_a_message_of_a_worker_that_was_killed_is_sent_later(chat, monkeypatch):
    """Nobody knows whether it was accepted."""
    check(failed(), times=2)

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(channels, "send", killed)
        with pytest.raises(SystemExit):
            send()
    send()
    assert chat.bodies == []
    send(20)
    assert len(chat.bodies) == 1


def test_the_task_checks_and_sends(project, chat, failing, monkeypatch):
    for _ in range(2):
        tasks.check_alarms()
        AlarmCheck.objects.update(checked_at=timezone.now() - timedelta(seconds=20))
    assert "3 of the last 12 predictions of v3 failed." in "".join(texts(chat))
