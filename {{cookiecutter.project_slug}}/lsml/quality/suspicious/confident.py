"""Confident learning: which labels does a model that has not seen them doubt?

After C. Northcutt, L. Jiang, I. Chuang: "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 70 (2021). The results are those of the library cleanlab, which
cannot be installed here: it would dictate the scikit-learn of the user's model.

Pure functions over NumPy arrays. `given` has the class of each example, a row of
`probabilities` how probable the model finds each class.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[np.int64]
Numbers = NDArray[np.float64]
_ROUNDING: Final = 1e-6


def spread(predicted: Classes, scores: Numbers, *, classes: int) -> Numbers:
    """Return probabilities: the score of the predicted class, the rest spread evenly.

    A predicted class is the most probable one, so it gets 1 / `classes` at least.

    Args:
        predicted: The class that the model chose for each example.
        scores: How probable the model found it.
        classes: How many there are; 2 or more.
    """
    chosen = np.clip(scores, 1 / classes, 1)
    rest = (1 - chosen) / (classes - 1)
    probabilities = np.repeat(rest[:, np.newaxis], classes, axis=1)
    probabilities[np.arange(len(predicted)), predicted] = chosen
    return probabilities


def self_confidence(given: Classes, probabilities: Numbers) -> Numbers:
    """Return how probable the model finds each given label."""
    found: Numbers = probabilities[np.arange(len(given)), given]
    return found


def contradicted(given: Classes, probabilities: Numbers) -> NDArray[np.bool_]:
    """Return for which examples the model finds another class more probable."""
    largest = probabilities.max(axis=1)
    found: NDArray[np.bool_] = (
        self_confidence(given, probabilities) < largest - _ROUNDING
    )
    return found


def thresholds(given: Classes, probabilities: Numbers) -> Numbers:
    """Return the mean self-confidence of each class; infinite without examples."""
    classes = probabilities.shape[1]
    sums = np.bincount(given, self_confidence(given, probabilities), classes)
    counts = np.bincount(given, minlength=classes)
    means: Numbers = np.full(classes, np.inf)
    return np.divide(sums, counts, out=means, where=counts > 0)


def label_issues(given: Classes, probabilities: Numbers) -> NDArray[np.bool_]:
    """Return which examples the model confidently places in another class.

    Confidently: at least as probable as it finds that class where annotators chose it.
    """
    confident = probabilities >= thresholds(given, probabilities) - _ROUNDING
    several = confident.sum(axis=1) > 1
    placed = np.where(several, probabilities.argmax(axis=1), confident.argmax(axis=1))
    elsewhere = confident.any(axis=1) & (placed != given)
    issues: NDArray[np.bool_] = elsewhere & contradicted(given, probabilities)
    return issues
