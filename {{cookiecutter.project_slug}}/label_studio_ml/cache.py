"""Model state by (project id, key): the reference's `CACHE`."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path

from .state import Store, current_binding, process_store

ProjectKey = tuple[str, str]


class BaseCache(ABC):
    """A mapping from (project id, key) to a string. A missing key gives None."""

    @abstractmethod
    def __getitem__(self, project_id_key: ProjectKey) -> str | None: ...

    @abstractmethod
    def __setitem__(self, project_id_key: ProjectKey, value: str) -> None: ...

    @abstractmethod
    def __contains__(self, project_id_key: ProjectKey) -> bool: ...

    @abstractmethod
    def __delitem__(self, project_id_key: ProjectKey) -> None: ...


class SqliteCache(BaseCache):
    """State in a file, for notebooks and scripts. The service has its own store."""

    def __init__(self, path: str | Path, db_name: str = "cache.db") -> None:
        """Open or create the file `db_name` in the folder `path`."""
        Path(path).mkdir(parents=True, exist_ok=True)
        self.path = path
        self.db_name = str(Path(path, db_name))
        self._execute(
            "CREATE TABLE IF NOT EXISTS cache (project_id TEXT NOT NULL,"
            " key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (project_id, key))"
        )

    def __getitem__(self, project_id_key: ProjectKey) -> str | None:
        rows = self._execute(
            "SELECT value FROM cache WHERE project_id = ? AND key = ?", *project_id_key
        )
        return rows[0][0] if rows else None

    def __setitem__(self, project_id_key: ProjectKey, value: str) -> None:
        if not isinstance(value, str):
            raise ValueError("Value must be a string")  # noqa: TRY004 - as the reference
        self._execute("REPLACE INTO cache VALUES (?, ?, ?)", *project_id_key, value)

    def __contains__(self, project_id_key: ProjectKey) -> bool:
        return self[project_id_key] is not None

    def __delitem__(self, project_id_key: ProjectKey) -> None:
        self._execute(
            "DELETE FROM cache WHERE project_id = ? AND key = ?", *project_id_key
        )

    def _execute(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.db_name)) as connection, connection:
            return connection.execute(statement, values).fetchall()


class _BoundState(BaseCache):
    """The state that models use: the bound store, or else this process's."""

    def __getitem__(self, project_id_key: ProjectKey) -> str | None:
        store, key = self._find(project_id_key)
        return store.get(key)

    def __setitem__(self, project_id_key: ProjectKey, value: str) -> None:
        store, key = self._find(project_id_key)
        store.set(key, value)

    def __contains__(self, project_id_key: ProjectKey) -> bool:
        store, key = self._find(project_id_key)
        return store.has(key)

    def __delitem__(self, project_id_key: ProjectKey) -> None:
        raise NotImplementedError("Model state cannot be removed: set it to ''.")

    def _find(self, project_id_key: ProjectKey) -> tuple[Store, str]:
        project_id, key = project_id_key
        binding = current_binding()
        return (binding.store if binding else process_store(project_id)), key


CACHE = _BoundState()


def create_cache(
    cache_type: str, path: str | Path = ".", db_name: str = "cache.db"
) -> BaseCache:
    """Create a cache. The only type is "sqlite": a file in the folder `path`.

    Raises:
        ValueError: The type is not supported.
    """
    if cache_type != "sqlite":
        raise ValueError(f"Unsupported cache type: {cache_type}")
    return SqliteCache(path, db_name)
