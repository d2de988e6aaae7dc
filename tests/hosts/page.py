"""Reads docs/hosts.md: which files and commands it gives for each host."""

import re
from dataclasses import dataclass
from pathlib import Path

COMMON = "On every host of the service"
DATABASE = "The database"
PREPARE = "For each release: prepare"
PROCESSES = ("model", "web", "worker", "training", "beat")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """What one section of the page says to write and to run."""

    variables: dict[str, str]
    command: str  # of a shell; empty if there is none
    sql: str


def sections(page: Path, replacements: dict[str, str]) -> dict[str, Section]:
    """Return the sections by their titles.

    Args:
        page: docs/hosts.md.
        replacements: Words of the page, and what stands for them here.
    """
    text = page.read_text()
    for word, ours in replacements.items():
        if word not in text:
            raise ValueError(f"{page.name} does not say {word}")
        text = text.replace(word, ours)
    parts = _SECTION.split(text)[1:]
    return {
        title: _section(body)
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _section(body: str) -> Section:
    blocks = dict(_BLOCK.findall(body))
    lines = blocks.get("env", "").splitlines()
    return Section(
        variables=dict(line.split("=", 1) for line in lines),
        command=blocks.get("console", "").removeprefix("$ ").strip(),
        sql=blocks.get("sql", ""),
    )
