"""Answers to requests whose body does not arrive in time."""

import pytest

from lsml.audit.models import WebhookEvent


class Stalled:
    """A body that the server stopped waiting for, as lsml/api/incoming.py does."""

    def read(self, size=-1):
        raise TimeoutError("The body did not arrive in time.")

    readline = read


@pytest.mark.parametrize("path", ["/webhook", "/predict"])
@pytest.mark.django_db
def test_a_body_that_does_not_arrive_is_answered_with_408(client, path):
    answer = client.post(
        path,
        b"{}",
        content_type="application/json",
        **{"wsgi.input": Stalled(), "CONTENT_LENGTH": "2000000"},
    )

    assert answer.status_code == 408
    assert answer.json()["code"] == "too_slow"
    assert not WebhookEvent.objects.exists()
