"""A simulated annotator: labels the tasks that a strategy chooses, batch by batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from benchmarks.labelling.report import Curve
from benchmarks.text_sets import TextSet
from label_studio_ml.scores import margin
from lsml.quality.next.strategies import (
    diverse,
    least_certain,
    random_order,
    text_vectors,
)
from model import new_classifier

START, BATCH, BUDGET = 40, 20, 400  # labels
POOL, TEST = 3_000, 2_000  # texts at most
_DRAW = 1  # the seed that draws them
_ZERO = 1e-9  # of texts that are equal, one adds nothing to the space


class Project:
    """Texts to label and texts to measure on, with their n-grams counted once."""

    def __init__(self, data: TextSet) -> None:
        pool, test = data.train.sample(POOL, _DRAW), data.test.sample(TEST, _DRAW)
        texts = pool.texts + test.texts
        self.size = len(pool.texts)
        self.labels = np.array(pool.labels + test.labels)
        self.vectors = text_vectors(pool.texts)
        analyzer = new_classifier()[0].build_analyzer()
        self._counts: csr_matrix = CountVectorizer(analyzer=analyzer).fit_transform(
            texts
        )

    def train(self, labelled: Sequence[int]) -> tuple[np.ndarray, float]:
        """Train the starter's classifier on these tasks.

        Gives what `new_classifier().fit(texts, labels)` would, but much faster: the
        n-grams of all texts are counted only once.

        Returns:
            The class probabilities of each task, and the accuracy on the test texts.
        """
        vectorizer, regression = new_classifier()
        options = {n: getattr(vectorizer, n) for n in TfidfTransformer().get_params()}
        known = self._counts[labelled].getnnz(axis=0) > 0  # the fitted vocabulary
        counts = self._counts[:, known]
        features = TfidfTransformer(**options).fit(counts[labelled]).transform(counts)
        _fit(regression, features[labelled], self.labels[labelled])
        accuracy = regression.score(features[self.size :], self.labels[self.size :])
        return regression.predict_proba(features[: self.size]), float(accuracy)


def _fit(
    regression: LogisticRegression, features: csr_matrix, labels: np.ndarray
) -> None:
    """Fit as `regression.fit(features, labels)` does, in a tenth of the time.

    The weights of each class are a combination of the rows, because any other part
    would only add to the penalty. So they are found in the space that the few rows
    span, instead of that of 60,000 n-grams.
    """
    products = (features @ features.T).toarray()
    lengths, directions = np.linalg.eigh(products)
    spanned = lengths > _ZERO
    basis = directions[:, spanned] / np.sqrt(lengths[spanned])
    regression.fit(products @ basis, labels)
    regression.coef_ = (features.T @ (basis @ regression.coef_.T)).T
    regression.n_features_in_ = features.shape[1]


def learning_curve(project: Project, strategy: str, seed: int) -> Curve:
    """Label from START to BUDGET tasks; the first START are the same for a seed."""
    order = random_order(project.size, seed)
    labelled, rest = order[:START], order[START:]
    probabilities, accuracy = project.train(labelled)
    curve = [(START, accuracy)]
    while len(labelled) < BUDGET:
        chosen = STRATEGIES[strategy](project, labelled, rest, probabilities)
        labelled = labelled + [rest[at] for at in chosen]
        rest = [task for at, task in enumerate(rest) if at not in set(chosen)]
        probabilities, accuracy = project.train(labelled)
        curve.append((len(labelled), accuracy))
    return curve


def _random(*_: Any) -> Sequence[int]:
    return range(BATCH)  # the tasks are in random order


def _uncertain(
    _: Project, __: list[int], rest: list[int], probabilities: np.ndarray
) -> Sequence[int]:
    scores = [margin(row) for row in probabilities[rest]]
    return least_certain(scores)[:BATCH]


def _diverse(
    project: Project, labelled: list[int], rest: list[int], _: np.ndarray
) -> Sequence[int]:
    return diverse(project.vectors[rest], project.vectors[labelled], BATCH)


STRATEGIES: dict[str, Callable[..., Sequence[int]]] = {
    "random": _random,
    "uncertainty": _uncertain,
    "diverse": _diverse,
}
