"""Seals over finished rows, and records of dropped partitions. Append-only."""

from django.db import models

from lsml.audit.fields import TimeOrderedId


class Seal(models.Model):
    """A link of the chain over finished rows. docs/audit.md says how to recompute it.

    It covers rows in the order (txid, id), from `from_*` to `until_*`, exclusive.
    """

    number = models.BigIntegerField(primary_key=True)  # 1, 2, … without a gap
    table = models.CharField(max_length=63, db_column="sealed_table")
    format = models.PositiveSmallIntegerField()  # of the rows' text: tables.FORMAT
    # If a dump is restored into another cluster, transaction numbers start again there.
    # Rows written there have ids above `above_id` and belong to the next generation.
    generation = models.PositiveIntegerField()
    system_identifier = models.BigIntegerField()  # of the cluster
    above_id = models.BigIntegerField()
    from_txid = models.BigIntegerField()
    from_id = models.BigIntegerField()
    until_txid = models.BigIntegerField()
    until_id = models.BigIntegerField()
    row_count = models.PositiveIntegerField()
    first_id = models.BigIntegerField()  # smallest and largest id of its rows
    last_id = models.BigIntegerField()
    rows_digest = models.CharField(max_length=64)  # SHA-256 over the rows' SHA-256s
    # Per row its id and the first 8 bytes of its SHA-256, to name a changed row.
    locator = models.BinaryField()
    previous_digest = models.CharField(max_length=64)  # 64 zeros for the first
    digest = models.CharField(max_length=64, unique=True)
    sealed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["table", "-number"], name="seal_by_table")]

    def __str__(self) -> str:
        return f"Seal {self.number}: {self.row_count} rows of {self.table}"


class DroppedPartition(models.Model):
    """A partition that retention removed, and where its rows were exported to."""

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_droppedpartition_id_seq")
    )
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    table = models.CharField(max_length=63, db_column="sealed_table")
    partition = models.CharField(max_length=63)
    from_id = models.BigIntegerField()  # bounds of the ids it held
    until_id = models.BigIntegerField()
    row_count = models.BigIntegerField()
    export = models.CharField(max_length=500)  # path of the ZIP file
    export_digest = models.CharField(max_length=64)  # SHA-256 of that file

    def __str__(self) -> str:
        return self.partition
