"""Facts that changed as they may are no findings; those never recorded are counted."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from lsml.audit import facts, sealing
from lsml.audit.fields import first_id_at
from lsml.audit.models import AuditEntry, DroppedPartition
from lsml.audit.services import record_entry
from lsml.audit.verify import verify
from lsml.dataset.models import Annotation
from lsml.jobs.services import request_cancel
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin
from lsml.registry.projects import duplicate_project
from lsml.training.inbox.events import apply_waiting
from lsml.training.requests import retire_project
from lsml.training.runs import open_run
from tests.broker import collect_messages
from tests.db.audit.history import train
from tests.db.audit.rows import as_superuser
from tests.db.training.conftest import LabelStudio

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = Origin("request-4", "test")


@pytest.fixture
def studio(monkeypatch):
    collect_messages(monkeypatch)
    studio = LabelStudio()
    studio.annotate(1)
    studio.annotate(2)
    return studio


def trained(studio):
    apply_waiting(studio.project)
    train(studio.project, accuracy=0.8)
    return studio.project


def differences():
    """Return the sentences, and the number of facts that could not be compared."""
    tally = facts.Tally()
    return list(facts.check_facts(tally)), tally.uncovered


def test_events_explain_what_came_after_the_last_version(studio):
    project = trained(studio)
    studio.annotate(1, "ANNOTATION_UPDATED", choice="Negative")
    studio.annotate(3)
    apply_waiting(project)
    assert differences() == ([], 0)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_an_event_of_no_task_may_have_deleted_an_annotation(studio, before):
    if not before:
        trained(studio)
    apply_waiting(studio.project)
    studio.send("ANNOTATIONS_DELETED", annotations=[{"id": 2}])
    trained(studio) if before else apply_waiting(studio.project)
    assert Annotation.objects.get(annotation_id=2).deleted_at
    assert differences() == ([], 1)


def test_a_sync_may_have_changed_an_annotation(studio):
    project = trained(studio)
    Annotation.objects.filter(annotation_id=1).update(result=[])
    [difference], _ = differences()
    assert difference.startswith("Annotation 1 ")
    record_entry(
        origin=ORIGIN,
        at=timezone.now(),
        actor="olga",
        verb=AuditEntry.Verb.DATASET_SYNCED,
        target=f"project {project.key}",
        project_pk=project.pk,
    )
    assert differences() == ([], 1)


def test_a_cancelled_run_and_one_in_the_queue_are_no_findings(studio):
    project = trained(studio)
    run = open_run(project=project, trigger="annotations", requested_by="policy")
    assert differences() == ([], 0)
    request_cancel(run, actor="olga", reason="enough", origin=ORIGIN)
    assert differences() == ([], 0)


def test_the_versions_of_a_duplicated_and_an_archived_project_are_recorded(studio):
    project = trained(studio)
    target = ProjectKey(8, 1795433941)
    duplicate_project(source=project.key, target=target, origin=ORIGIN)
    retire_project(key=project.key, origin=ORIGIN)
    assert differences() == ([], 0)


def test_facts_whose_entries_retention_removed_are_counted(studio):
    trained(studio)
    as_superuser("DELETE FROM audit_auditentry")
    assert len(differences()[0]) == 3  # version, run, and the version of the run
    DroppedPartition.objects.create(
        at=timezone.now(),
        actor="cron",
        table="audit_auditentry",
        from_id=0,
        until_id=first_id_at(timezone.now()) + 1,
        row_count=2,
    )
    # The annotations are as the events sent them.
    assert differences() == ([], 2)


def test_a_made_up_entry_does_not_stop_the_verification(studio):
    project = trained(studio)
    for detail in ({}, {"version": "v1", "run": 2**70}, {"run": True}):
        for verb in (
            AuditEntry.Verb.VERSION_CREATED,
            AuditEntry.Verb.TRAINING_FAILED,
        ):
            record_entry(
                origin=ORIGIN,
                at=timezone.now(),
                actor="nobody",
                verb=verb,
                target="version v9",
                project_pk=project.pk,
                detail=detail,
            )
    found, _ = differences()
    assert len(found) == 6
    assert all("version v9" in sentence for sentence in found)


def test_only_a_whole_verification_compares_facts(studio):
    trained(studio)
    sealing.seal()
    assert verify().facts > 0
    assert verify(since=timezone.now()).facts == 0


def test_the_command_says_what_was_compared(studio, capsys):
    trained(studio)
    sealing.seal()
    call_command("audit", "verify")
    assert "facts in other tables compared" in capsys.readouterr().out


def test_many_differences_are_cut(monkeypatch):
    monkeypatch.setattr(facts, "_checks", [lambda _: map(str, range(250))])
    found, _ = differences()
    assert (len(found), found[-1]) == (101, "… and 150 more like the last one.")
