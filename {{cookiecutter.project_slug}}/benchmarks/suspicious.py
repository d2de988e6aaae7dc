"""Measures how many wrong labels are among the first that are listed as suspicious.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.suspicious

Tasks of public text sets are annotated in random order; 5 % get a wrong label. The
annotations are ranked by the product's own functions, with three kinds of predictions:

- "cross-validation": the starter's, in five folds, wrong labels included;
- "with a hold-out": the same of the tasks that a hold-out of 15 % leaves to training;
  the held-out ones have the recorded predictions of the next kind;
- "recorded": the starter's classifier is trained anew after every 50 annotations, and
  each task was predicted by the version that served when it was annotated.

Each seed trains dozens of times, on 20 newsgroups for a minute each. So the texts are
split into n-grams once, and the regression is fitted to the coordinates of the texts
in the space that they span. Its optimum is the same, because the best coefficients lie
in this space; where the solver stops differs a little. Two seeds are simulated at once,
so more threads of NumPy would only wait for each other.
"""

import argparse
import random
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.model_selection import StratifiedKFold

from benchmarks.text_sets import NAMES, Part, load
from lsml.dataset.share import in_share
from lsml.quality.suspicious.choices import Choice, doubtful_choices, doubts_by_rows
from model import new_classifier

TASKS: Final = 1_500
CHARS: Final = 500  # of each text; for speed
TRAINED_EVERY: Final = 50  # annotations
WRONG: Final = 0.05
LISTED: Final = 0.1  # of all annotations
SEEDS: Final = range(1, 6)
FOLDS: Final = 5  # the starter's, if each label has as many texts
HELD_OUT_PERCENT: Final = 15  # the default of new projects
BAR: Final = 0.7  # of the wrong labels are among the first listed

Probable = dict[int, dict[str, float]]  # task -> label -> probability


@dataclass(frozen=True, slots=True)
class Annotated:
    """What annotators made of a data set."""

    texts: list[str]
    truth: list[str]
    given: list[str]

    @property
    def wrong(self) -> set[int]:
        """Where annotators chose a wrong label."""
        pairs = zip(self.truth, self.given, strict=True)
        return {at for at, (label, given) in enumerate(pairs) if label != given}


@dataclass(frozen=True, slots=True)
class Row:
    """How well the list found the wrong labels."""

    data: str
    seed: int
    predictions: str  # where they come from
    accuracy: float  # of the predictions
    checked: int  # annotations with a prediction
    listed: int
    found: float  # of all wrong labels, among the first 10 % of annotations
    found_checked: float  # of the wrong labels that could be checked
    right: float  # of the entries looked at: how many labels are wrong


def main() -> None:
    """Simulate all data sets with all seeds, and print a row each and the means."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suspicious")
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--data", choices=NAMES, nargs="+", default=NAMES)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--chars", type=int, default=CHARS, help="of each text")
    options = parser.parse_args()
    for name in options.data:
        load(name)  # downloads it once, not in each process
    print(
        "| data | seed | predictions | accuracy | checked | listed | wrong labels among"
        " the first 10 % | of those checked | share of wrong ones there |"
    )
    print("|---" * 9 + "|")
    cases = product(options.data, options.seeds, [options.tasks], [options.chars])
    with ProcessPoolExecutor(2) as processes:
        rows = [
            row
            for two in processes.map(simulate, *zip(*cases, strict=True))
            for row in map(printed, two)
        ]
    for name, kind in product(options.data, dict.fromkeys(r.predictions for r in rows)):
        found = [r.found for r in rows if (r.data, r.predictions) == (name, kind)]
        held = "reached" if statistics.fmean(found) >= BAR else "NOT reached"
        print(
            f"{name}, {kind}: {statistics.fmean(found):.0%} of the wrong labels"
            f" ({min(found):.0%} to {max(found):.0%}); {BAR:.0%} {held}"
        )


def printed(row: Row) -> Row:
    print(
        f"| {row.data} | {row.seed} | {row.predictions} | {row.accuracy:.0%}"
        f" | {row.checked} | {row.listed} | {row.found:.0%} | {row.found_checked:.0%}"
        f" | {row.right:.0%} |",
        flush=True,
    )
    return row


def simulate(data: str, seed: int, tasks: int, chars: int) -> list[Row]:
    """Return a row for each kind of predictions."""
    sample = load(data).train.sample(tasks, seed)
    texts = [text[:chars] for text in sample.texts]
    annotated = annotate(Part(texts, sample.labels), seed)
    trainer = Trainer(annotated)
    recorded = while_annotating(trainer)
    every = list(range(len(texts)))
    taught = [at for at in every if not in_share(f"{seed}:{at}", HELD_OUT_PERCENT)]
    held_out = {at: row for at, row in recorded.items() if at not in set(taught)}
    kinds = {
        "cross-validation": ({}, cross_validated(trainer, every)),
        "with a hold-out": (held_out, cross_validated(trainer, taught)),
        "recorded": (recorded, {}),
    }
    return [
        measure(data, seed, kind, annotated, *predictions)
        for kind, predictions in kinds.items()
    ]


def annotate(part: Part, seed: int) -> Annotated:
    """Give 5 % of the texts one of the other labels, each equally often."""
    labels, rng = sorted(set(part.labels)), random.Random(seed)
    wrong = set(rng.sample(range(len(part.texts)), round(WRONG * len(part.texts))))
    given = [
        rng.choice([each for each in labels if each != label]) if at in wrong else label
        for at, label in enumerate(part.labels)
    ]
    return Annotated(part.texts, part.labels, given)


class Trainer:
    """Trains the starter's classifier on some of the texts, and predicts others."""

    def __init__(self, annotated: Annotated) -> None:
        self.given = annotated.given
        self.vectorizer = new_classifier()[0]
        counter = CountVectorizer(
            analyzer=self.vectorizer.analyzer, ngram_range=self.vectorizer.ngram_range
        )
        self.counts = counter.fit_transform(annotated.texts)

    def guesses(self, learned, predicted) -> Probable:
        """Train on some annotations, and predict other tasks."""
        counts = self.counts[list(learned)]
        known = np.flatnonzero(counts.getnnz(axis=0))
        weights = TfidfTransformer(sublinear_tf=self.vectorizer.sublinear_tf)
        x = weights.fit_transform(counts[:, known])
        asked = weights.transform(self.counts[list(predicted)][:, known])
        products = (x @ x.T).toarray()
        lengths, vectors = np.linalg.eigh(products)
        spans = lengths > lengths[-1] * 1e-10
        basis = vectors[:, spans] / np.sqrt(lengths[spans])
        regression = new_classifier()[1]
        regression.fit(products @ basis, [self.given[at] for at in learned])
        rows = regression.predict_proba((asked @ x.T).toarray() @ basis)
        labels = regression.classes_.tolist()
        return {
            at: dict(zip(labels, row, strict=True))
            for at, row in zip(predicted, rows.tolist(), strict=True)
        }


def while_annotating(trainer: Trainer) -> Probable:
    """Predict each task with the version that served when it was annotated."""
    found: Probable = {}
    tasks = len(trainer.given)
    for end in range(TRAINED_EVERY, tasks, TRAINED_EVERY):
        served = range(end, min(end + TRAINED_EVERY, tasks))
        found |= trainer.guesses(range(end), served)
    return found


def cross_validated(trainer: Trainer, tasks: list[int]) -> Probable:
    """Predict each fifth of the tasks with a model trained on the others."""
    found: Probable = {}
    given = [trainer.given[at] for at in tasks]
    for learned, asked in StratifiedKFold(FOLDS).split(given, given):
        found |= trainer.guesses(
            [tasks[at] for at in learned], [tasks[at] for at in asked]
        )
    return found


def best(row: dict[str, float]) -> str:
    """Return the most probable label."""
    return max(row, key=row.__getitem__)


def measure(
    data: str,
    seed: int,
    kind: str,
    annotated: Annotated,
    recorded: Probable,
    validated: Probable,
) -> Row:
    """Rank the annotations as the product does, and look at the first 10 %."""
    labels, given = sorted(set(annotated.truth)), annotated.given
    choices = [
        Choice(given[at], best(row), row[best(row)]) for at, row in recorded.items()
    ]
    doubts = dict(zip(recorded, doubtful_choices(choices, labels), strict=True))
    if validated:
        rows = np.array(
            [[row.get(label, 0.0) for label in labels] for row in validated.values()]
        )
        found = doubts_by_rows([given[at] for at in validated], labels, rows)
        doubts |= dict(zip(validated, found, strict=True))
    ranked = [
        at for _, at in sorted((one.quality, at) for at, one in doubts.items() if one)
    ]
    first = set(ranked[: round(LISTED * len(annotated.texts))])
    guesses, wrong = recorded | validated, annotated.wrong
    return Row(
        data=data,
        seed=seed,
        predictions=kind,
        accuracy=statistics.fmean(
            best(row) == annotated.truth[at] for at, row in guesses.items()
        ),
        checked=len(guesses),
        listed=len(ranked),
        found=len(first & wrong) / len(wrong),
        found_checked=len(first & wrong) / max(1, len(wrong & guesses.keys())),
        right=len(first & wrong) / max(1, len(first)),
    )


if __name__ == "__main__":
    main()
