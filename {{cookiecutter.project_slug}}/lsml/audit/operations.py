"""The migration operation that creates an append-only table."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lsml.audit import triggers
from lsml.audit.partitions import make_partitions_ahead

# By `txid` the sealer finds the rows of finished transactions. It is a bigint,
# because xid8 has no BRIN index, and a B-tree would cost more than the column. Django
# does not know the column, so no query of the application reads it.
_TXID = "txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint"


class CreateAppendOnlyModel(migrations.CreateModel):
    """Create a model whose rows PostgreSQL refuses to update, delete or truncate.

    Replace the `CreateModel` that `makemigrations` generates with it. Its arguments
    repeat the table's declaration in `lsml.audit.tables`, because a migration must not
    change with it. Reversing drops the table and its rows.
    """

    def __init__(
        self,
        *args: Any,
        sealed_columns: Sequence[str] = (),
        partitioned: bool = False,
        **kwargs: Any,
    ) -> None:
        """Take what `CreateModel` takes, and two facts.

        Args:
            *args: Of `CreateModel`.
            sealed_columns: The columns that are sealed, in the order of the row's text.
                With them, make the sequence `<table>_id_seq` for a `TimeOrderedId`, the
                column `txid` with its index, the function `<table>_lines()`, and the
                trigger that refuses forged rows: also those whose time columns are
                more than a day from now.
            partitioned: Partition the table by month, and make the first partitions.
            **kwargs: Of `CreateModel`.
        """
        super().__init__(*args, **kwargs)
        self.sealed_columns, self.partitioned = sealed_columns, partitioned

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        name, args, kwargs = super().deconstruct()
        return (
            name,
            list(args),
            {
                **kwargs,
                "sealed_columns": self.sealed_columns,
                "partitioned": self.partitioned,
            },
        )

    def reduce(self, operation: Operation, app_label: str) -> bool:
        """Prevent merging: the result would be a plain `CreateModel`."""
        return False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        table = model._meta.db_table
        if self.sealed_columns:
            schema_editor.execute(f"CREATE SEQUENCE {table}_id_seq")
        plain = schema_editor.sql_create_table
        schema_editor.sql_create_table = self._create_table(plain)
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain
        if self.sealed_columns:
            schema_editor.execute(
                f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id;"
                f" CREATE INDEX {table}_txid ON {table} USING brin (txid)"
                " WITH (autosummarize = on)"
            )
            times = [
                str(field.column)
                for field in model._meta.local_fields
                if isinstance(field, models.DateTimeField)
            ]
            schema_editor.execute(_create_lines(table, self.sealed_columns, times))
            schema_editor.execute(triggers.forbid_forgery(table, times))
        schema_editor.execute(triggers.forbid_update_and_delete(table))
        schema_editor.execute(triggers.forbid_truncate(table))
        if self.partitioned and not schema_editor.collect_sql:
            make_partitions_ahead([table])

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = from_state.apps.get_model(app_label, self.name)
        if self.sealed_columns and self.allow_migrate_model(
            schema_editor.connection.alias, model
        ):
            schema_editor.execute(_drop_lines(model._meta.db_table))
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def _create_table(self, sql: str) -> str:
        """Add to Django's statement what Django cannot express."""
        if self.sealed_columns:
            sql = sql.replace("%(definition)s", f"%(definition)s, {_TXID}")
        return f"{sql} PARTITION BY RANGE (id)" if self.partitioned else sql

    def describe(self) -> str:
        return f"Create append-only model {self.name}"


def _create_lines(table: str, columns: Sequence[str], times: Collection[str]) -> str:
    """Return SQL for `<table>_lines()`: (id, txid, line) of the rows of a sealed table.

    PostgreSQL inlines the function, so conditions on its rows use the table's indexes.
    Unlike a view, it does not prevent changes to the columns' types.

    Args:
        table: Name of the table.
        columns: Those that are sealed, in the order of the row's text.
        times: Those of them that are points in time.
    """
    select = ", ".join(
        f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"' if name in times else f'"{name}"'
        for name in columns
    )
    return (
        f"CREATE FUNCTION {table}_lines()"
        " RETURNS TABLE (id bigint, txid bigint, line text) LANGUAGE sql STABLE AS $$"
        " SELECT r.id, r.txid, row_to_json(r)::text"
        f" FROM (SELECT {select} FROM {table}) r $$"
    )


def _drop_lines(table: str) -> str:
    """Return SQL that drops what `_create_lines` creates."""
    return f"DROP FUNCTION {table}_lines()"
