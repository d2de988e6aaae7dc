"""What `embed()` may return, and the sentence for anything else. No database."""

import re

import numpy as np
import pytest

from lsml.inference.errors import ModelError
from lsml.inference.vectors import read_vectors

TASKS = [{"id": 11, "data": {}}, {"id": 12, "data": {}}]


class Tensor:
    """An array of another library, such as PyTorch's in main memory."""

    def __init__(self, values):
        self.values = values

    def __iter__(self):
        return (Tensor(value) for value in self.values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class OnGpu:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.mark.parametrize(
    "returned",
    [
        [[1, 2.5], [3, -4]],
        ((1, 2.5), (3, -4)),
        np.array([[1, 2.5], [3, -4]], np.float16),
        [np.array([1, 2.5]), np.array([3, -4])],
        Tensor([[1, 2.5], [3, -4]]),
        iter([[1, 2.5], [3, -4]]),
    ],
    ids=["lists", "tuples", "array", "arrays", "tensor", "generator"],
)
def test_rows_of_numbers_of_any_library_are_read(returned):
    assert read_vectors(returned, tasks=TASKS) == [[1.0, 2.5], [3.0, -4.0]]


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "of type NoneType; expected a vector for each task"),
        (3, "of type int; expected a vector for each task"),
        ([[1, 2]], "1 vectors for 2 tasks"),
        ([], "0 vectors for 2 tasks"),
        ([1, 2], r"shape \(\) for task 11; expected a list of 1 to 4,096 numbers"),
        ([[], []], r"shape \(0,\) for task 11"),
        ([[[1]], [[2]]], r"shape \(1, 1\) for task 11"),
        ([[1] * 4097] * 2, r"shape \(4097,\) for task 11"),
        ([[1, 2], ["a", "b"]], "for task 12 what cannot be read as a list of numbers"),
        ([[1], None], r"shape \(\) for task 12"),
        ([[1], [None]], "NaN, infinity or a number beyond 1e.15 for task 12"),
        ([[1], [float("nan")]], "NaN, infinity or a number beyond 1e.15 for task 12"),
        ([[float("-inf")], [1]], "NaN, infinity or a number beyond 1e.15 for task 11"),
        ([[1], [1e300]], "NaN, infinity or a number beyond 1e.15 for task 12"),
        ([OnGpu(), OnGpu()], "TypeError: can't convert cuda:0"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(returned, sentence):
    with pytest.raises(ModelError, match=sentence):
        read_vectors(returned, tasks=TASKS)


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(ModelError, match=re.escape("different lengths, 1 and 2")):
        read_vectors([[1, 2], [3]], tasks=TASKS)
