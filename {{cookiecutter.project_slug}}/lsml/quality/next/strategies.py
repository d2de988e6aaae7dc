"""Orders tasks for labelling. Pure functions over numbers; NumPy, no Django.

Imported where it is called: NumPy takes a tenth of a second, in each process.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from statistics import fmean
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_Whole = NDArray[np.integer]
_Task = TypeVar("_Task", bound=Hashable)
_Answer = TypeVar("_Answer")

_SIMILARITIES_MAX: Final = 4_000_000  # in memory at once, or twice that

_EQUAL: Final = 1e-4  # cosines of 32-bit floats that differ by less are the same

_DIMENSIONS: Final = 512
_TEXT_CHARS_MAX: Final = 2_000  # of each text; the rest is ignored
_BLOCK: Final = 500  # texts; row and hash of a trigram share 32 bits
_FEATURE_BITS: Final = 20
_BASE: Final = np.uint32(16_777_619)
_SPREAD: Final = np.uint32(2_654_435_769)  # brings all bits into the high ones


def least_certain(scores: Sequence[float | None]) -> list[int]:
    """Return the indices by score, the lowest first; those without a score last."""

    def key(index: int) -> tuple[bool, float]:
        score = scores[index]
        return (True, 0.0) if score is None else (False, score)

    return sorted(range(len(scores)), key=key)


def diverse(vectors: Array, labelled: Array, n: int) -> list[int]:
    """Return `n` indices of `vectors` that represent all of them best.

    Args:
        vectors: A row per candidate, of any length.
        labelled: A row per labelled task, in the same space; may have no rows.
        n: At most so many.
    """
    return [index for index, _ in islice(most_representative(vectors, labelled), n)]


def most_representative(vectors: Array, labelled: Array) -> Iterator[tuple[int, float]]:
    """Yield each candidate once: next is what represents most that nothing does so far.

    Greedy facility location: each candidate should have something similar that is
    labelled or was yielded before, so next is what raises the sum of these similarities
    most. Something that resembles nothing else comes late, as do copies. Similarities
    are cosines; negative ones, and those of rows of zeros, count as 0.

    The sum is that of all candidates if there are up to 2,000, else of a sample of
    them, always the same.

    Yields:
        An index of `vectors`, and the share of the sample that is more similar to it
        than to any row that is labelled or was yielded before.
    """
    if not len(vectors):
        return
    vectors, labelled = _normalised(vectors), _normalised(labelled)
    sample = vectors[_sample(len(vectors), _SIMILARITIES_MAX // len(vectors))]
    nearest = _similarity_to_nearest(sample, labelled)
    similar = (vectors @ sample.T).clip(min=nearest)
    gains = (similar - nearest).sum(axis=1)
    for _ in range(len(vectors)):
        while True:  # Gains only fall: only the highest must be computed again.
            chosen = int(np.argmax(gains))
            gain = (similar[chosen] - nearest).clip(min=0).sum()
            if gain >= gains[chosen]:
                break
            gains[chosen] = gain
        yield chosen, float(np.mean(similar[chosen] > nearest + _EQUAL))
        np.maximum(nearest, similar[chosen], out=nearest)
        gains[chosen] = -np.inf


def disagreement(
    by_version: Sequence[Mapping[_Task, _Answer]],
    difference: Callable[[_Answer, _Answer], float],
) -> dict[_Task, float]:
    """Return the tasks that versions answered differently, most contested first.

    Args:
        by_version: The answers of each version by task.
        difference: Of two answers; 0 = the same.

    Returns:
        The mean difference of all pairs of versions that answered the task, if it is
        above 0. Equal tasks stay in the order of the mappings.
    """
    answers: dict[_Task, list[_Answer]] = {}
    for version in by_version:
        for task, answer in version.items():
            answers.setdefault(task, []).append(answer)
    contested = {
        task: fmean(difference(*pair) for pair in combinations(given, 2))
        for task, given in answers.items()
        if len(given) > 1
    }
    most_first = sorted(contested, key=lambda task: -contested[task])
    return {task: contested[task] for task in most_first if contested[task] > 0}


def random_order(n: int, seed: int) -> list[int]:
    """Return the indices 0 to n - 1 in an order that depends on the seed alone."""
    order: list[int] = np.random.default_rng(seed).permutation(n).tolist()
    return order


def text_vectors(texts: Sequence[str]) -> Array:
    """Return a row per text, of length 1: TF-IDF of its character trigrams.

    The trigrams are hashed and projected to 512 dimensions with random signs, so
    cosines are those of the full TF-IDF with an error of about 0.04. Texts to be
    compared must be given together, because rarity is measured among them. Upper and
    lower case, and kinds of white space, make no difference. A text without characters
    is a row of zeros.
    """
    blocks = [texts[at : at + _BLOCK] for at in range(0, len(texts), _BLOCK)]
    texts_with = np.zeros(1 << _FEATURE_BITS)
    for block in blocks:
        _, features, _ = _trigrams(block)
        texts_with += np.bincount(features, minlength=len(texts_with))
    rarity = np.log((1 + len(texts)) / (1 + texts_with)) + 1
    projected = [_project(block, rarity) for block in blocks]
    none = np.zeros((0, _DIMENSIONS), np.float32)
    return _normalised(np.concatenate([none, *projected]))


def _project(texts: Sequence[str], rarity: NDArray[np.float64]) -> Array:
    rows, features, counts = _trigrams(texts)
    signs = 1 - 2.0 * (features & 1)
    weights = signs * (1 + np.log(counts)) * rarity[features]
    places = rows.astype(int) * _DIMENSIONS + (features >> 1) % _DIMENSIONS
    sums = np.bincount(places, weights, minlength=len(texts) * _DIMENSIONS)
    return sums.reshape(len(texts), _DIMENSIONS).astype(np.float32)


def _trigrams(texts: Sequence[str]) -> tuple[_Whole, _Whole, _Whole]:
    """Return the row, the hash and the count of each different trigram of each text."""
    padded = [f" {' '.join(text[:_TEXT_CHARS_MAX].lower().split())} " for text in texts]
    encoded = "".join(padded).encode("utf-32-le", "surrogatepass")
    characters = np.frombuffer(encoded, np.uint32)
    rows = np.repeat(np.arange(len(padded), dtype=np.uint32), list(map(len, padded)))
    inside = rows[:-2] == rows[2:]  # not from one text into the next
    sums = (characters[:-2] * _BASE + characters[1:-1]) * _BASE + characters[2:]
    hashes = sums * _SPREAD >> np.uint32(32 - _FEATURE_BITS)
    keys = (rows[:-2] << np.uint32(_FEATURE_BITS) | hashes)[inside]
    different, counts = np.unique(keys, return_counts=True)
    mask = np.uint32((1 << _FEATURE_BITS) - 1)
    return different >> np.uint32(_FEATURE_BITS), different & mask, counts


def _normalised(vectors: NDArray[np.floating]) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised: Array = np.zeros(vectors.shape, np.float32)
    np.divide(vectors, lengths, out=normalised, where=lengths > 0)
    return normalised


def _sample(n: int, size: int) -> NDArray[np.integer]:
    """Return the indices of at most `size` of `n`, at least of one."""
    return np.random.default_rng(0).permutation(n)[: max(size, 1)]


def _similarity_to_nearest(vectors: Array, labelled: Array) -> Array:
    """Return each row's cosine with the nearest labelled row; 0 without any."""
    nearest = np.zeros(len(vectors), np.float32)
    step = max(_SIMILARITIES_MAX // len(vectors), 1)
    for at in range(0, len(labelled), step):
        cosines = vectors @ labelled[at : at + step].T
        np.maximum(nearest, cosines.max(axis=1), out=nearest)
    return nearest
