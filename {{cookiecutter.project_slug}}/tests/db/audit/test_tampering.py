"""What `audit verify` finds of the tampering that docs/audit.md lists, and what not."""

import re
from pathlib import Path

import pytest
from django.db import connection

from lsml.audit import partitions, sealing
from lsml.audit.anchors import publish
from lsml.audit.models import Seal
from lsml.audit.verify import verify
from tests.broker import collect_messages
from tests.db.audit.history import make_history, restore, saved
from tests.db.audit.tampering import WAYS

PROJECT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db(transaction=True)


def found():
    return [str(finding) for finding in verify().findings]


@pytest.fixture(scope="module")
def made():
    """The history and its rows, once they were made: making them takes a second."""
    return []


@pytest.fixture
def history(made, monkeypatch, no_seal_was_ever_made):
    if not made:
        collect_messages(monkeypatch)
        made += [make_history(), saved()]
    else:
        restore(made[1])
    yield made[0]
    drop_detached_partitions()
    partitions.make_partitions_ahead()


def drop_detached_partitions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
            " AND relname LIKE 'audit_prediction_y%' AND NOT relispartition"
        )
        for (detached,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {detached}")


@pytest.fixture
def anchors(settings, tmp_path, history):
    """Publish the last seal, as the sealer would have."""
    settings.AUDIT_ANCHOR = (tmp_path / "anchors").as_uri()
    publish(Seal.objects.order_by("number").last())


def test_nothing_is_found_where_nobody_tampered(history):
    report = verify()
    assert (report.findings, report.uncovered_facts) == ([], 0)
    # Two versions, two runs and a failed one, two snapshots, four annotations, a
    # project, and the counts of an hour or, around its end, of two.
    assert report.facts >= 14


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_tampering_is_found_as_documented(history, way):
    way.do(history)
    said = "\n".join(found())
    assert way.finds.format(h=history) in said if way.finds else not said, said


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way.with_anchors], ids=lambda way: way.name
)
def test_anchors_find_what_the_database_alone_cannot(anchors, history, way):
    way.do(history)
    sealing.seal()
    assert way.with_anchors in "\n".join(found())


def test_the_document_lists_the_same_ways():
    text = (PROJECT / "docs/audit.md").read_text()
    section = text.split("## What a verification finds")[1].split("\n## ")[0]
    listed = re.findall(
        r"^\| (.+?) \| ((?:not )?found)\b.*? \| (.*?) *\|$", section, re.MULTILINE
    )
    assert listed == [
        (
            way.name,
            "found" if way.finds else "not found",
            "found" if way.with_anchors else "–",
        )
        for way in WAYS
    ]
