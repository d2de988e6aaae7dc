"""A bare DRF view with one insert: the minimum cost of a durable answer.

The baseline of benchmarks/predict_throughput.py, served by gunicorn with the same
settings.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LSML_PROCESS", "web")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from django.db import connection  # noqa: E402 - after the set-up
from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class BareView(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO bench_bare (body) VALUES (%s)", [str(request.data)]
            )
        return Response({"results": [{"result": [], "score": 0.5}]})


urlpatterns = [path("predict", BareView.as_view())]
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = []
application.load_middleware()
