"""No value in a filter or in an old address causes a 500."""

from functools import cache

import pytest
from django.urls import reverse

from lsml.audit.models import AuditEntry
from tests.console import factory
from tests.console.addresses import list_page, page
from tests.console.test_lists import LISTS

pytestmark = pytest.mark.django_db
ODD = [
    "abc",
    "",
    " ",
    "-1",
    "0",
    "1.5",
    "1e9",
    "0x10",
    "nan",
    "²",
    "\uff11\uff12",
    "9223372036854775808",
    "99999999999999999999999",
    "9" * 5000,
    "\x00",
    "' OR 1=1 --",
    "%",
    "🙂",
]
# Values that PostgreSQL, int() or a column's type would refuse.
REFUSED = ["", "²", "9223372036854775808", "9" * 5000, "\x00"]
NOT_TASK_IDS = ["abc", "-1", "1.5", "1e9", "²", "99999999999999999999999", "9" * 5000]
BY_TASK = [
    "audit_prediction",
    "audit_webhookevent",
    "dataset_task",
    "dataset_annotation",
    "dataset_agreement",
]
PARAMETERS = ["q", "project", "version", "last", "before", "after"]
CHOICES = ["outcome", "kind", "withheld", "action", "state", "table"]


EACH_LIST = [*LISTS, "auth_user"]


def queries_with(value, of):
    """The value in each filter, and in those that depend on each other."""
    queries = [{parameter: value} for parameter in [*PARAMETERS, *CHOICES]]
    return [*queries, {"project": str(of.pk), "version": value, "q": value}]


def refused(client, name, queries):
    """Return the queries that the list does not answer with a page."""
    # Values that a filter does not take lead to one page: it is rendered once.
    followed = cache(lambda path: client.get(path, follow=True).status_code)
    found = []
    for query in queries:
        answer = client.get(list_page(name), query)
        status = answer.status_code
        if status == 302:
            status = followed(answer.url)
        if status != 200:
            found.append(f"{query}: {status}")
    return found


@pytest.mark.slow
def test_every_list_answers_a_refused_value_in_each_filter(client):
    client.force_login(factory.person("root"))
    of = factory.story(predictions=5)["project"]
    by_value = [queries_with(value, of) for value in REFUSED]
    for first, name in enumerate(EACH_LIST):
        # One value for each filter. The next list gets the next value in that filter.
        queries = [
            by_value[(first + n) % len(REFUSED)][n] for n in range(len(by_value[0]))
        ]
        assert not refused(client, name, queries), name


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH_LIST)
def test_a_list_answers_any_value_in_its_filters(client, name):
    client.force_login(factory.person("root"))
    of = factory.story(predictions=5)["project"]
    queries = [query for value in ODD for query in queries_with(value, of)]
    assert not refused(client, name, queries)


@pytest.mark.parametrize("name", BY_TASK)
def test_an_invalid_task_id_finds_nothing_and_the_page_says_why(viewer, name):
    factory.story(predictions=5)
    for term in NOT_TASK_IDS:
        shown = viewer.get(list_page(name), {"q": term})
        assert list(shown.context["cl"].result_list) == []
        assert "A task ID is a whole number" in shown.text
        assert 'href="?">Show all' in shown.text


@pytest.mark.parametrize("term", ["7", " 7 ", "\uff17"])
def test_a_task_id_is_found_however_it_was_typed(viewer, term):
    factory.story(predictions=130)
    shown = viewer.get(list_page("audit_prediction"), {"q": term}).context["cl"]
    assert {row.task_id for row in shown.result_list} == {7}


def test_a_task_id_without_predictions_is_not_called_invalid(viewer):
    shown = viewer.get(list_page("audit_prediction"), {"q": "424242"})
    assert "Nothing matches these filters." in shown.text
    assert "whole number" not in shown.text


def test_a_list_without_rows_is_exported_as_its_titles(operator):
    answer = operator.get(list_page("audit_prediction") + "csv/", {"q": "abc"})
    assert len(b"".join(answer.streaming_content).splitlines()) == 1


@pytest.mark.parametrize(
    "values", [REFUSED, pytest.param(ODD, marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_pages_answer_any_value_in_their_address(viewer, values):
    of = factory.story(predictions=5)["project"]
    latest = of.versions.latest("pk")
    for value in values:
        for parameter in ("kind", "before"):
            answer = viewer.get(page("timeline", of.pk), {parameter: value})
            assert answer.status_code == 200, value
        compared = viewer.get(page("compare", latest.pk), {"with": value})
        assert compared.status_code == 404, value
        shown = viewer.get(
            reverse("admin:registry_project_change", args=[of.pk]), {"metric": value}
        )
        assert shown.status_code == 200, value


def test_audit_entries_are_filtered_by_verb_and_project(viewer):
    of = factory.story(predictions=1)["project"]
    wanted = {"verb": AuditEntry.Verb.VERSION_CREATED, "project": of.pk}
    shown = viewer.get(list_page("audit_auditentry"), wanted).context["cl"].result_list
    expected = AuditEntry.objects.filter(verb="version created", project_pk=of.pk)
    assert {row.pk for row in shown} == {row.pk for row in expected} != set()
    assert len(shown) < AuditEntry.objects.count()
