"""The SQL by which PostgreSQL makes seals: docs/adr/0033-the-database-seals.md.

`audit_make_seals` runs with the rights of the tables' owner, and computes everything
that decides a seal. So the role of the service needs no right to write seals: it can
only ask for the one that anybody else would get. `lsml.audit.verify` computes each seal
again, in Python.
"""

from typing import Final

# The highest number that any seal had. It stays when a seal is removed, so a removed
# last seal is detected.
CREATE_SEQUENCE: Final = (
    "CREATE SEQUENCE audit_seal_number_seq OWNED BY audit_seal.number"
)

# Seals a window of a table, with a seal for each `rows_max` rows. The window that
# closes a generation gets one seal, even without rows; it also has the rows above
# `closing_from_id`. Runs with the rights of its caller, so only the owner can use it.
_SEAL_WINDOW: Final = """
CREATE FUNCTION audit_seal_window(
  sealed text, sealed_at timestamptz, rows_max integer, generation integer,
  system_identifier bigint, above_id bigint, from_txid bigint, from_id bigint,
  until_txid bigint, until_id bigint, closing_from_id bigint
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
  number bigint;
  previous text;
  condition text;
  piece record;
  piece_txid bigint;
  piece_id bigint;
  facts text;
BEGIN
  -- Above every number ever used, so removing the last seal leaves a gap.
  SELECT greatest(head.number, CASE WHEN is_called THEN last_value ELSE 0 END),
      coalesce(head.digest, repeat('0', 64))
    INTO number, previous
    FROM audit_seal_number_seq
    LEFT JOIN (SELECT s.number, s.digest FROM audit_seal s ORDER BY 1 DESC LIMIT 1) head
      ON true;
  -- The BRIN index needs plain bounds on txid; it cannot use row comparisons.
  condition := format('txid >= %1$s AND txid <= %3$s'
    ' AND (txid, id) >= (%1$s, %2$s) AND (txid, id) < (%3$s, %4$s)',
    from_txid, from_id, until_txid, until_id);
  IF closing_from_id IS NOT NULL THEN
    condition := format('(%s OR id > %s) AND id < %s',
      condition, closing_from_id, until_id);
  END IF;
  IF above_id > 0 THEN
    condition := format('%s AND id > %s', condition, above_id);
  END IF;
  FOR piece IN EXECUTE format(
    'SELECT count(*) AS rows, coalesce(min(id), 0) AS first_id,'
    ' coalesce(max(id), 0) AS last_id,'
    ' coalesce(string_agg(leaf, '''' ORDER BY n), '''') AS leaves,'
    ' coalesce(string_agg(int8send(id) || substr(leaf, 1, 8), '''' ORDER BY n), '''')'
    ' AS locator,'
    -- Where a full piece ends; the rest goes to the end of the window.
    ' max(txid) AS full_txid, max(id) FILTER (WHERE n %% %2$s = 0) + 1 AS full_id'
    ' FROM (SELECT *, row_number() OVER (ORDER BY txid, id) AS n FROM'
    -- OFFSET keeps the wide line out of the sort.
    ' (SELECT id, txid, sha256(convert_to(line, ''UTF8'')) AS leaf FROM %1$I()'
    ' WHERE %3$s OFFSET 0) AS leaves) AS numbered %4$s',
    sealed || '_lines', rows_max, condition,
    CASE WHEN closing_from_id IS NULL
      THEN format('GROUP BY (n - 1) / %1$s ORDER BY (n - 1) / %1$s', rows_max) END
  ) LOOP
    number := number + 1;
    IF closing_from_id IS NULL AND piece.full_id IS NOT NULL THEN
      piece_txid := piece.full_txid;
      piece_id := piece.full_id;
    ELSE
      piece_txid := until_txid;
      piece_id := until_id;
    END IF;
    facts := concat_ws('|', {format}, number, sealed, generation, system_identifier,
      above_id, from_txid, from_id, piece_txid, piece_id, piece.rows, piece.first_id,
      piece.last_id, (extract(epoch FROM sealed_at) * 1000000)::bigint,
      encode(sha256(piece.leaves), 'hex'), encode(sha256(piece.locator), 'hex'),
      previous);
    INSERT INTO audit_seal (number, sealed_table, format, generation,
      system_identifier, above_id, from_txid, from_id, until_txid, until_id, row_count,
      first_id, last_id, rows_digest, locator, previous_digest, digest, sealed_at)
    VALUES (number, sealed, {format}, generation, system_identifier, above_id,
      from_txid, from_id, piece_txid, piece_id, piece.rows, piece.first_id,
      piece.last_id, encode(sha256(piece.leaves), 'hex'), piece.locator, previous,
      encode(sha256(convert_to(facts, 'UTF8')), 'hex'), sealed_at)
    RETURNING audit_seal.digest INTO previous;
    RETURN NEXT number;
    from_txid := piece_txid;
    from_id := piece_id;
  END LOOP;
END $$
"""

# Seals what is finished of a table. It is called in a block of its own, and returns all
# of its seals or, if any fails, none.
_SEAL_TABLE: Final = """
CREATE FUNCTION audit_seal_table(
  sealed text, sealed_at timestamptz, rows_max integer
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
  end_of_txids CONSTANT bigint := 9223372036854775807;
  cluster CONSTANT bigint := (SELECT c.system_identifier FROM pg_control_system() c);
  last record;       -- the table's last seal; then where the next one begins
  closed boolean;    -- whether it is the last of its generation
  restored boolean;  -- whether the unsealed rows came with a dump
  until_id bigint;
BEGIN
  SELECT s.generation, s.system_identifier, s.above_id, s.until_txid, s.until_id
    INTO last FROM audit_seal s
    WHERE s.sealed_table = sealed ORDER BY s.number DESC LIMIT 1;
  IF FOUND THEN
    closed := last.until_txid = end_of_txids;
    restored := last.system_identifier <> cluster AND NOT closed;
  ELSE
    SELECT 1 AS generation, 0::bigint AS system_identifier,  -- 0 = unknown
      0::bigint AS above_id, 0::bigint AS until_txid, 0::bigint AS until_id INTO last;
    closed := false;
    -- Dumped before the first seal: its numbers are above those of this cluster,
    -- as may be the number of this transaction.
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM %I WHERE txid >='
      ' pg_snapshot_xmax(pg_current_snapshot())::text::bigint AND txid <> %s)',
      sealed, coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0)
    ) INTO restored;
  END IF;
  IF restored THEN
    -- Transaction numbers started again in this cluster, so only the ids separate the
    -- rows of the dump from those written here. Writers wait for this.
    EXECUTE format('LOCK TABLE %I IN SHARE MODE', sealed);
    EXECUTE format('SELECT coalesce(max(id), 0) + 1 FROM %I', sealed) INTO until_id;
    RETURN QUERY SELECT * FROM audit_seal_window(sealed, sealed_at, rows_max,
      last.generation, last.system_identifier, last.above_id, last.until_txid,
      last.until_id, end_of_txids, until_id,
      (SELECT coalesce(max(s.last_id), 0) FROM audit_seal s
       WHERE s.sealed_table = sealed AND s.generation = last.generation));
    closed := true;
    last.until_id := until_id;
  END IF;
  IF closed THEN
    last.generation := last.generation + 1;
    last.above_id := last.until_id - 1;
    last.until_txid := 0;
    last.until_id := 0;
  END IF;
  -- Transactions below this number have ended, so no more rows of theirs can appear.
  -- The rows are read with a newer snapshot.
  RETURN QUERY SELECT * FROM audit_seal_window(sealed, sealed_at, rows_max,
    last.generation, cluster, last.above_id, last.until_txid, last.until_id,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0, NULL);
END $$
"""

# What a session can set is pinned where it would change a seal: with the time zone
# 'UTC-5', PostgreSQL 18 takes the 'UTC' of `AT TIME ZONE 'UTC'` for five hours later.
_MAKE_SEALS: Final = """
CREATE FUNCTION audit_make_seals(rows_max integer) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET extra_float_digits = 1 SET TimeZone = 'UTC' AS $$
DECLARE
  sealed_at timestamptz;
  sealed text;
  -- Seals are kept for ever, so the service's role must not make one for each row.
  rows_min CONSTANT integer :=
    CASE WHEN pg_has_role(session_user, current_user, 'USAGE') THEN 1 ELSE 100 END;
BEGIN
  -- An older snapshot would not show the seals that others have made since.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE feature_not_supported USING
      MESSAGE = 'seals are only made in a transaction that is READ COMMITTED';
  END IF;
  IF rows_max IS NULL OR rows_max NOT BETWEEN rows_min AND 1000000 THEN
    RAISE invalid_parameter_value USING MESSAGE = format(
      'AUDIT_SEAL_ROWS_MAX is %s; a seal covers %s to 1000000 rows',
      rows_max, rows_min);
  END IF;
  -- One sealer at a time, on any host. A session's lock would outlive its client in
  -- pgbouncer; this one ends with the transaction.
  IF NOT pg_try_advisory_xact_lock({lock}) THEN
    RETURN;
  END IF;
  sealed_at := clock_timestamp();
  FOR sealed IN
    SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE t.tgfoid = 'audit_forbid_forgery()'::regprocedure AND t.tgparentid = 0
      -- Others may have tables with this trigger as well.
      AND pg_get_userbyid(c.relowner) = current_user AND pg_table_is_visible(c.oid)
    ORDER BY 1
  LOOP
    -- A row that cannot be sealed must not hold up the other tables.
    BEGIN
      RETURN QUERY SELECT * FROM audit_seal_table(sealed, sealed_at, rows_max);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING '% is not sealed: %', sealed, SQLERRM;
    END;
  END LOOP;
END $$
"""

# Called after the commit, because a sequence is not rolled back. By age(), seals that
# this transaction has made, and may roll back, do not count.
_REMEMBER_SEALS: Final = """
CREATE FUNCTION audit_remember_seals() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF pg_try_advisory_xact_lock({lock}) THEN
    PERFORM setval('audit_seal_number_seq', greatest(s.number, last_value))
    FROM audit_seal_number_seq,
      (SELECT number FROM audit_seal WHERE age(xmin) > 0 ORDER BY 1 DESC LIMIT 1) s;
  END IF;
END $$
"""

# Objects that others create must not take the place of ours.
_PIN_SEARCH_PATH: Final = """
DO $$ DECLARE each text; BEGIN
  FOREACH each IN ARRAY
    ARRAY['audit_make_seals(integer)', 'audit_remember_seals()']
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp',
      each, current_schema());
  END LOOP;
END $$
"""
_LOCK: Final = 0x6C736D6C5EA1

CREATE_FUNCTIONS: Final = ";".join(
    sql.format(lock=_LOCK, format=1)
    for sql in (
        _SEAL_WINDOW,
        _SEAL_TABLE,
        _MAKE_SEALS,
        _REMEMBER_SEALS,
        _PIN_SEARCH_PATH,
    )
)
DROP_FUNCTIONS: Final = (
    "DROP FUNCTION audit_remember_seals();"
    " DROP FUNCTION audit_make_seals(integer);"
    " DROP FUNCTION audit_seal_table(text, timestamptz, integer);"
    " DROP FUNCTION audit_seal_window(text, timestamptz, integer, integer, bigint,"
    " bigint, bigint, bigint, bigint, bigint, bigint)"
)
