"""The content security policy of pages."""

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.console import factory
from tests.console.addresses import detail_page

pytestmark = pytest.mark.django_db


def test_every_page_of_the_admin_forbids_inline_code(viewer):
    policy = viewer.get(reverse("admin:index"))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_prediction_page_allows_images_from_its_tasks_host_only(viewer):
    of = factory.project(hostname="")
    of.label_config = (
        '<View><Image name="i" value="$image"/>'
        '<RectangleLabels name="r" toName="i"><Label value="Cat"/></RectangleLabels>'
        "</View>"
    )
    of.save()
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["Cat"]}
    row = factory.prediction(
        of,
        at=timezone.now(),
        result=[
            {"type": "rectanglelabels", "from_name": "r", "to_name": "i", "value": box}
        ],
        input={"image": "https://pictures.example/1.png"},
    )
    row.save()
    policy = viewer.get(detail_page(row))["Content-Security-Policy"]
    assert "img-src 'self' data: https://pictures.example;" in policy + ";"
    elsewhere = viewer.get("/admin/")["Content-Security-Policy"]
    assert "pictures.example" not in elsewhere
