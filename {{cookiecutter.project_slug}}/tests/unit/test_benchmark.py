"""What `make bench` reports. The tests measure nothing."""

import pytest

from benchmarks.wire import report
from benchmarks.wire.load import Load
from benchmarks.wire.report import Crowd, Many, Report
from benchmarks.wire.turns import BARE, EVENT, MANY, ONE, OURS, TEN, Turn


def turns(per_second=1000, *, p99_ms=10.0, refused=0):
    """Return three turns of one second."""
    load = Load(per_second, 1.0, 5.0, p99_ms, refused=refused, broken=0)
    return [Turn(load, web_ms=0.5, database_ms=0.1)] * 3


def report_with(ours, *, crowd=None):
    """Return a report in which everything else is as promised."""
    equal = {BARE: turns(), OURS: turns()}
    return Report(
        turns=3,
        seconds=1,
        load_before=0.0,
        compared={ONE: {BARE: turns(), OURS: ours}, TEN: equal, EVENT: equal},
        crowd=Crowd(turns(), crowd or turns(), health_p99_ms=20.0, unhealthy=0),
        many=Many({BARE: turns(20), OURS: turns(20)}, growth_mb=50.0),
    )


def test_promises_hold_if_the_service_is_as_fast_as_the_bare_view():
    assert report_with(turns()).holds


def test_a_slower_service_breaks_a_promise():
    assert not report_with(turns(990)).holds


def test_a_longer_p99_breaks_a_promise():
    assert not report_with(turns(p99_ms=11.0)).holds


def test_refused_requests_do_not_count_as_fast_answers():
    assert not report_with(turns(1000, refused=500)).holds


def test_errors_with_many_connections_break_a_promise():
    assert not report_with(turns(), crowd=turns(1100, refused=1)).holds


def test_writing_replaces_the_tables_and_keeps_the_rest(tmp_path, monkeypatch):
    original = report._DOCUMENT.read_text("utf-8")
    copy = tmp_path / "performance.md"
    copy.write_text(original, "utf-8")
    monkeypatch.setattr(report, "_DOCUMENT", copy)

    report.write(report_with(turns(1234)))

    written = copy.read_text("utf-8")
    assert "| 1234 |" in written
    assert written.split(report._BEGIN)[0] == original.split(report._BEGIN)[0]
    assert written.split(report._END)[1] == original.split(report._END)[1]


@pytest.mark.parametrize("work", [ONE, TEN, EVENT, MANY], ids=lambda work: work.name)
def test_every_table_names_its_work(work):
    assert work.name in str(report_with(turns()))
