"""The event that the tests of accepting send."""

from lsml.labelstudio.webhooks import WebhookRequest
from lsml.training.inbox.accept import receive
from tests.db.conftest import CONFIG

from .conftest import ORIGIN

STAMP = 1795433940
PROJECT = {
    "id": 7,
    "created_at": "2026-11-23T11:39:00Z",
    "title": "Sounds",
    "label_config": CONFIG,
}


def annotation_created(**project):
    return {
        "action": "ANNOTATION_CREATED",
        "annotation": {"id": 1, "task": 13, "result": []},
        "task": {"id": 13, "data": {"text": "hm"}},
        "project": PROJECT | project,
    }


def send(body=None, *, named="", **project):
    """Receive an event, by default of the fixture `project`."""
    body = body or annotation_created(**project)
    return receive(
        request=WebhookRequest.parse(body, named_project=named),
        body=body,
        digest="0" * 64,
        origin=ORIGIN,
    )
