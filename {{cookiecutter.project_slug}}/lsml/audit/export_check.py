"""Checks an export without a database: `manage.py audit verify --export FILE`."""

import hashlib
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final
from zipfile import BadZipFile, ZipFile

import orjson

from lsml.audit import chain, formats
from lsml.audit.tables import FORMAT, SEALED_TABLES
from lsml.audit.verify import Finding, Report

# What ZipFile and the readers of JSON raise for a file that is damaged or another's.
_DAMAGED: Final = (
    *(BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError),
    *(ValueError, KeyError, TypeError, AttributeError),
)


class NotAnExport(Exception):
    """The file is not a complete export of `manage.py audit export`."""


def check_export(
    *,
    path: Path,
    anchored: Iterable[tuple[int, str]] = (),
    progress: Callable[[int], object] = lambda rows: None,
) -> Report:
    """Check rows against seals and seals against each other, in bounded memory.

    Args:
        path: the ZIP file.
        anchored: number and digest of published seals. Without them, a completely
            forged file is not detected.
        progress: called with the number of rows checked since its last call.

    Raises:
        NotAnExport: the file is not a ZIP with a manifest of a known format, or it is
            damaged.
        NotAnAnchor: the anchors cannot be read.
        FormatMissing: Parquet without pyarrow.
    """
    digests = dict(anchored)
    try:
        with ZipFile(path) as file:
            return _Check(file, progress, digests).run()
    except _DAMAGED as error:
        raise NotAnExport(f"{path} cannot be read as an export: {error}") from error


class _Check:
    def __init__(
        self,
        file: ZipFile,
        progress: Callable[[int], object],
        anchored: dict[int, str],
    ) -> None:
        self.file = file
        self.anchored = anchored
        self.progress = progress
        self.report = Report()
        self.manifest: dict[str, Any] = orjson.loads(file.read("manifest.json"))
        if self.manifest["format"] != FORMAT:
            raise NotAnExport(
                f"This version cannot read format {self.manifest['format']}."
            )

    def run(self) -> Report:
        self._check_chain()
        for name, table in self.manifest["tables"].items():
            for member, expected in (
                (f"{name}.{self.manifest['file_format']}", table["sha256"]),
                (f"{name}.seals.jsonl", table["seals_sha256"]),
            ):
                if self._sha256(member) != expected:
                    self._find(f"{member} is not the file the manifest describes.")
            self._check_rows(name, table)
            if overdue := table.get("overdue_rows"):
                self._find(
                    f"{overdue} rows of {name} are not in this export: sealing lagged"
                    " when it was made. Seal, and export again."
                )
        return self.report

    def _sha256(self, member: str) -> str:
        with self.file.open(member) as file:
            return _digest(file)

    def _seals(self, name: str) -> Iterator[dict[str, Any]]:
        with self.file.open(f"{name}.seals.jsonl") as file:
            for line in file:
                yield orjson.loads(line)

    def _check_chain(self) -> None:
        """Check that no seal is missing, and that each digest follows the last."""
        tables = [self._seals(name) for name in self.manifest["tables"]]
        expected, previous = self.manifest["first_seal"], None
        # An export of only some tables has gaps between the numbers of its seals.
        whole = self.manifest["tables"].keys() == SEALED_TABLES.keys()
        for seal in heapq.merge(*tables, key=lambda seal: seal["number"]):
            self.report.seals += 1
            number = seal["number"]
            if chain.seal_digest(seal) != seal["digest"]:
                self._find(f"Seal {number} was changed.", seal)
            if self.anchored.get(number, seal["digest"]) != seal["digest"]:
                self._find(f"Seal {number} differs from the anchored one.", seal)
            if whole and number != expected:
                self._find(f"Seal {expected} is missing.")
            elif (
                previous
                and previous["number"] == number - 1
                and (seal["previous_digest"] != previous["digest"])
            ):
                self._find(f"Seal {number} does not follow seal {number - 1}.", seal)
            expected, previous = number + 1, seal
        last = self.manifest["last_seal"]
        if whole and previous and previous["number"] != last:
            self._find(f"Seal {last} is missing.")

    def _check_rows(self, name: str, table: dict[str, Any]) -> None:
        file_format = self.manifest["file_format"]
        with self.file.open(f"{name}.{file_format}") as file:
            rows = _ids_and_leaves(formats.lines(file_format, file, table["columns"]))
            try:
                for seal in self._seals(name):
                    self._check_seal(seal, list(islice(rows, seal["exported_rows"])))
                if more := sum(1 for _ in rows):
                    self._find(f"{more} rows of {name} belong to no seal.")
            except (ValueError, KeyError) as error:
                self._find(f"{name}.{file_format} cannot be read to its end: {error}")

    def _check_seal(self, seal: dict[str, Any], rows: list[tuple[int, bytes]]) -> None:
        found = chain.RowDigest()
        found.feed(rows)
        self.report.rows += found.count
        self.progress(found.count)
        if not rows and not seal["exported_rows"]:
            return
        if found.rows_digest == seal["rows_digest"]:
            return
        locator = bytes.fromhex(seal["locator"])
        if hashlib.sha256(locator).hexdigest() != seal["locator_digest"]:
            self._find(f"Seal {seal['number']} was changed.", seal)
        for one in chain.differences(locator, rows):
            if one.how == "deleted" and not self._is_wanted(seal["table"], one.row_id):
                continue
            self._find(
                f"Row {one.row_id} of {seal['table']} was {one.how}"
                f" (seal {seal['number']}).",
                seal,
                one.row_id,
            )

    def _is_wanted(self, table: str, row_id: int) -> bool:
        """Whether the export should have the row: in its range, and not dropped."""
        inside: bool = self.manifest["from_id"] <= row_id < self.manifest["until_id"]
        return inside and not any(
            dropped["table"] == table
            and dropped["from_id"] <= row_id < dropped["until_id"]
            for dropped in self.manifest["dropped"]
        )

    def _find(
        self, sentence: str, seal: dict[str, Any] | None = None, row: int | None = None
    ) -> None:
        self.report.findings.append(
            Finding(
                sentence,
                seal["table"] if seal else "",
                row,
                seal["number"] if seal else None,
            )
        )


def _ids_and_leaves(lines: Iterator[str]) -> Iterator[tuple[int, bytes]]:
    """Yield (id, leaf) of each line. A line begins with `{"id":` and the number."""
    for line in lines:
        yield int(line[6 : line.index(",")]), chain.leaf(line)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
