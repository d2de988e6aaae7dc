"""Which migrations a rolling deploy applies while the version before is running."""

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.functions import Now

from lsml.environment.rolling import disturbing

POSITIVE = models.CheckConstraint(condition=models.Q(size__gt=0), name="positive")
NOT_HUGE = models.CheckConstraint(condition=models.Q(size__lt=99), name="not_huge")
ONE_NAME = models.UniqueConstraint(fields=["name"], name="one_name")
BY_NAME = models.Index(fields=["name"], name="by_name")
VALIDATE = ValidateConstraint("box", "not_huge")
NEW_COLUMN = migrations.AddField("box", "colour", models.TextField(null=True))


def found(*operations, atomic=True):
    """Return what disturbs the version whose table `box` has name, note and size."""
    state = ProjectState()
    columns = {
        "id": models.BigAutoField(primary_key=True),
        "name": models.CharField(max_length=50),
        "note": models.TextField(null=True),
        "size": models.IntegerField(default=1),
    }
    options = {"constraints": [ONE_NAME, NOT_HUGE]}
    state.add_model(ModelState("goods", "Box", list(columns.items()), options))
    migration = migrations.Migration("0002_more", "goods")
    migration.operations = list(operations)
    migration.atomic = atomic
    return list(disturbing([migration], state))


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("box", "colour", models.TextField(null=True)),
        migrations.AddField("box", "colour", models.TextField(db_default="red")),
        migrations.AddField("box", "at", models.DateTimeField(db_default=Now())),
        migrations.AddField("box", "inside", models.ManyToManyField("goods.box")),
        migrations.CreateModel("Lid", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AlterField("box", "name", models.CharField("Name", max_length=50)),
        migrations.AlterField("box", "size", models.IntegerField(default=2)),
        migrations.AlterField("box", "size", models.IntegerField(null=True)),
        migrations.AlterModelOptions("box", {"ordering": ["name"]}),
        migrations.RemoveIndex("box", "by_name"),
        migrations.RemoveConstraint("box", "positive"),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("box", "note")]
        ),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_the_running_version_does_not_notice_is_applied(operation):
    if "Remove" in type(operation).__name__:
        added = migrations.AddIndex("box", BY_NAME)
        if isinstance(operation, migrations.RemoveConstraint):
            added = migrations.AddConstraint("box", POSITIVE)
        assert len(found(added, operation)) == len(found(added))
    else:
        assert found(operation) == []


def test_an_index_that_blocks_nobody_is_applied():
    assert found(AddIndexConcurrently("box", BY_NAME)) == []


def test_a_constraint_is_validated_in_a_migration_of_its_own_only():
    assert found(VALIDATE) == []
    assert found(VALIDATE, VALIDATE) == []
    [sentence] = found(NEW_COLUMN, VALIDATE)
    assert "in a migration of its own" in sentence


def test_without_a_transaction_no_lock_is_held_while_a_constraint_is_validated():
    assert found(NEW_COLUMN, VALIDATE, atomic=False) == []


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (migrations.RemoveField("box", "note"), "still uses it"),
        (migrations.RenameField("box", "note", "remark"), "still uses it"),
        (migrations.DeleteModel("box"), "still uses it"),
        (migrations.RenameModel("box", "parcel"), "still uses it"),
        (migrations.AlterModelTable("box", "boxes"), "still uses it"),
        (
            migrations.AddField("box", "colour", models.TextField(default="red")),
            "let it be NULL",
        ),
        (migrations.AlterField("box", "note", models.TextField()), "the new rule"),
        (
            migrations.AlterField("box", "name", models.CharField(max_length=9)),
            "the new rule",
        ),
        (
            migrations.AlterField(
                "box", "name", models.CharField(max_length=50, db_column="title")
            ),
            "the new rule",
        ),
        (
            migrations.AddField(
                "box", "colour", models.TextField(null=True, unique=True)
            ),
            "an index",
        ),
        (
            migrations.AddField(
                "box", "colour", models.TextField(null=True, db_index=True)
            ),
            "an index",
        ),
        (
            migrations.AddField(
                "box",
                "colour",
                models.OneToOneField("goods.box", models.CASCADE, null=True),
            ),
            "an index",
        ),
        (
            migrations.AddField(
                "box", "key", models.UUIDField(db_default=RandomUUID())
            ),
            "a value per row",
        ),
        (
            migrations.AddField(
                "box", "weight", models.PositiveIntegerField(null=True)
            ),
            "such as IntegerField",
        ),
        (migrations.RemoveConstraint("box", "one_name"), "relies on it"),
        (migrations.AddIndex("box", BY_NAME), "AddIndexConcurrently"),
        (migrations.AddConstraint("box", POSITIVE), "does not know the constraint"),
        (AddConstraintNotValid("box", POSITIVE), "refuses new rows"),
        (migrations.RunSQL("DROP TABLE goods_box"), "cannot be seen"),
        (migrations.RunPython(print), "cannot be seen"),
        (
            migrations.SeparateDatabaseAndState(
                [migrations.RemoveField("box", "note")]
            ),
            "still uses it",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_the_running_version_would_notice_is_refused(operation, reason):
    [sentence] = found(operation)
    assert sentence.startswith("goods.0002_more: ")
    assert reason in sentence


def test_a_table_of_the_same_deploy_may_be_changed():
    columns = [("id", models.BigAutoField(primary_key=True))]
    assert (
        found(
            migrations.CreateModel("Lid", columns),
            migrations.AddField("lid", "size", models.IntegerField(default=1)),
            migrations.AddIndex("lid", models.Index(fields=["size"], name="by_size")),
            migrations.RemoveField("lid", "size"),
        )
        == []
    )


def test_a_field_of_the_same_migration_may_be_changed():
    colour = models.TextField(null=True)
    assert (
        found(
            migrations.AddField("box", "colour", colour),
            migrations.AlterField(
                "box", "colour", models.TextField("Colour", null=True)
            ),
        )
        == []
    )
