"""Lists as CSV."""

import csv
import io

import pytest

from lsml.audit.models import AuditEntry
from tests.console import factory
from tests.console.addresses import list_page

pytestmark = pytest.mark.django_db


def table(answer):
    return list(csv.reader(io.StringIO(answer.getvalue().decode())))


def test_a_csv_has_what_the_list_shows_with_its_filters(operator):
    factory.story(predictions=130)
    lines = table(operator.get(list_page("audit_prediction") + "csv/", {"q": "7"}))
    assert lines[0][:3] == ["id", "Time", "Task"]
    assert {line[2] for line in lines[1:]} == {"7"}
    assert len(lines) == 3
    assert AuditEntry.objects.filter(verb="list exported", actor="olga").exists()


def test_a_csv_is_read_in_batches_and_complete(operator, monkeypatch):
    monkeypatch.setattr("lsml.console.lists.csv_export._BATCH", 7)
    factory.story(predictions=60)
    lines = table(operator.get(list_page("audit_prediction") + "csv/"))
    assert len({line[0] for line in lines[1:]}) == 60


def test_a_cell_of_a_csv_is_not_a_formula(operator):
    factory.project(title='=HYPERLINK("http://evil.example")')
    lines = table(operator.get(list_page("registry_project") + "csv/"))
    assert lines[1][1].startswith("'=")
