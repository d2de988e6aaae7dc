"""The baseline of `make bench`: bare DRF views that insert what they receive.

A Django project of its own, so that nothing of the service's settings makes it faster
or slower: no middleware, REST framework's own parsers and renderers, Django's
persistent connections without health checks, nobody is authenticated.
"""

import os
from pathlib import Path

import environ
from django.conf import settings

from lsml.embedded.addresses import database_url

_DATABASE = environ.Env.db_url_config(database_url(Path(os.environ["LSML_DATA_DIR"])))

settings.configure(
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "rest_framework",
    ],
    DATABASES={"default": {**_DATABASE, "CONN_MAX_AGE": 60}},
    USE_TZ=True,
)

from django.core.wsgi import get_wsgi_application  # noqa: E402 - needs the settings

application = get_wsgi_application()

from django.db import connection, models  # noqa: E402 - needs the set-up
from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Row(models.Model):  # noqa: DJ008 - nobody reads it
    id = models.BigAutoField(primary_key=True)
    body = models.TextField()

    class Meta:
        app_label = "bench"
        db_table = "bench_bare"


def insert(texts: list[str]) -> None:
    """Insert rows with one statement, which commits by itself."""
    values = ", ".join(["(%s)"] * len(texts))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO bench_bare (body) VALUES {values}", texts)


class BareView(APIView):
    authentication_classes = ()
    permission_classes = ()


class BodyView(BareView):
    """Inserts the body as one row."""

    def post(self, request: Request) -> Response:
        insert([str(request.data)])
        return Response({"results": [{"result": [], "score": 0.5}]})


class TasksView(BareView):
    """Inserts one row per task, as Django does it."""

    def post(self, request: Request) -> Response:
        texts = [str(task) for task in request.data["tasks"]]
        self.insert(texts)
        return Response({"results": [{"result": [], "score": 0.5} for _ in texts]})

    def insert(self, texts: list[str]) -> None:
        Row.objects.bulk_create(Row(body=text) for text in texts)


class TasksByHandView(TasksView):
    """Inserts the same rows with a statement written by hand, which is faster."""

    def insert(self, texts: list[str]) -> None:
        insert(texts)


urlpatterns = [
    path("body", BodyView.as_view()),
    path("tasks", TasksView.as_view()),
    path("tasks-by-hand", TasksByHandView.as_view()),
]
