"""Every failure leaves one line in the log, and sends the caller no traceback."""

import logging

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path
from rest_framework.views import APIView

from config import urls
from config.urls import handler400, handler403, handler404, handler500  # noqa: F401
from lsml.inference.errors import ModelBusy
from tests.console import factory
from tests.db.conftest import CONFIG

TRACEBACK = "Traceback (most recent call last)"
SECRET = "hunter2hunter2hunter2"


def breaks(request):
    raise ValueError(
        f"could not fetch https://ana:{SECRET}@example.com/?token={SECRET}"
    )


def breaks_while_rendering(request):
    template = engines["django"].from_string("{% include missing %}")
    return TemplateResponse(request, template)


def answers_502(request):
    return HttpResponse("bad gateway\n", status=502)


def breaks_in_the_database(request):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE letter (text text CHECK (text = ''))")
        cursor.execute("INSERT INTO letter VALUES ('my private\nletter')")


class RestBreaks(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request):
        raise ValueError(f"token={SECRET}")


class RestIsBusy(RestBreaks):
    def get(self, request):
        raise ModelBusy("The model is busy.")


urlpatterns = [
    path("breaks", breaks),
    path("breaks-while-rendering", breaks_while_rendering),
    path("breaks-in-the-database", breaks_in_the_database),
    path("answers-502", answers_502),
    path("rest-breaks", RestBreaks.as_view()),
    path("rest-is-busy", RestIsBusy.as_view()),
    *urls.urlpatterns,
]


@pytest.fixture(autouse=True)
def with_failing_views(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def database_away(transactional_db):
    """Call to make every later connection fail, as with a database that is down."""

    with pytest.MonkeyPatch.context() as patch:

        def away():
            connection.close()
            patch.setitem(connection.settings_dict, "HOST", "/nowhere/at/all")

        yield away


@pytest.fixture
def error_lines(caplog):
    """The events of level ERROR, of all loggers."""
    return lambda: [r.msg for r in caplog.records if r.levelno >= logging.ERROR]


def assert_logged_once(reply, lines, method="GET"):
    assert len(lines) == 1, lines
    line = lines[0]
    assert line["request_id"] == reply["X-Request-ID"]
    assert line["method"] == method
    assert line["path"] == reply.wsgi_request.path
    assert line["status"] == reply.status_code
    assert TRACEBACK not in reply.text
    return line


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/breaks", 500),
        ("/breaks-while-rendering", 500),
        ("/breaks-in-the-database", 500),
        ("/rest-breaks", 500),
        ("/rest-is-busy", 503),
    ],
)
def test_a_view_that_raises_leaves_one_line_with_its_traceback(
    api, error_lines, address, status
):
    reply = api.get(address)
    assert reply.status_code == status
    assert TRACEBACK in assert_logged_once(reply, error_lines())["exception"]


@pytest.mark.django_db
def test_a_page_of_the_admin_that_raises_leaves_one_line_with_its_traceback(
    api, error_lines, monkeypatch
):
    monkeypatch.setattr("lsml.console.pages.home.home_context", breaks)
    api.force_login(factory.person("vera", "viewer"))
    reply = api.get("/admin/")
    assert reply.status_code == 500
    assert TRACEBACK in assert_logged_once(reply, error_lines())["exception"]


def test_a_static_file_that_cannot_be_read_leaves_one_line_with_its_traceback(
    api, error_lines, monkeypatch
):
    def find_file(self, url):
        raise OSError("Input/output error")

    name = "whitenoise.middleware.WhiteNoiseMiddleware.find_file"
    monkeypatch.setattr(name, find_file)
    reply = api.get("/static/console/console.css")
    assert reply.status_code == 500
    assert TRACEBACK in assert_logged_once(reply, error_lines())["exception"]


@pytest.mark.parametrize("address", ["/ready", "/versions", "/api/v1/runs", "/admin/"])
def test_a_database_that_is_down_leaves_one_line_with_its_traceback(
    api, error_lines, database_away, address
):
    api.force_login(factory.person("vera", "viewer"))
    database_away()
    reply = api.get(address, HTTP_AUTHORIZATION="Bearer 0123456789abcdef")
    assert reply.status_code == 503
    line = assert_logged_once(reply, error_lines())
    assert TRACEBACK in line["exception"]
    assert "OperationalError" in line["exception"]


def test_a_person_sees_a_styled_page_while_the_database_is_down(api, database_away):
    api.force_login(factory.person("vera", "viewer"))
    database_away()
    reply = api.get("/admin/")
    assert (reply.status_code, reply["Retry-After"]) == (503, "2")
    assert "<h1>Database not available</h1>" in reply.text
    assert reply["X-Request-ID"] in reply.text


def test_a_post_from_label_studio_without_a_database_leaves_one_line(
    post, error_lines, database_away
):
    database_away()
    reply = post("/setup", {"project": "1.1795433940", "schema": CONFIG})
    assert reply.status_code == 503
    assert TRACEBACK in assert_logged_once(reply, error_lines(), "POST")["exception"]


def test_an_answer_of_502_that_nothing_raised_leaves_one_line_too(api, error_lines):
    reply = api.get("/answers-502")
    assert "exception" not in assert_logged_once(reply, error_lines())


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/nothing/here", "/admin/nothing/here"])
def test_an_answer_below_500_leaves_no_line(api, error_lines, address):
    api.force_login(factory.person("vera", "viewer"))
    assert api.get(address).status_code == 404
    assert error_lines() == []


@pytest.mark.parametrize("address", ["/breaks", "/rest-breaks"])
def test_a_secret_in_an_exception_is_masked_in_its_traceback(api, error_lines, address):
    api.get(address)
    assert "***" in error_lines()[0]["exception"]
    # The source line of the traceback names the constant, not its value.
    assert SECRET not in str(error_lines())


@pytest.mark.django_db
def test_the_row_that_the_database_refused_is_not_quoted_in_the_log(api, error_lines):
    api.get("/breaks-in-the-database")
    text = error_lines()[0]["exception"]
    assert "violates check constraint" in text
    assert "DETAIL: not logged" in text
    assert "During handling" in text or "direct cause" in text
    assert "Failing row" not in text
    assert "\nletter" not in text
