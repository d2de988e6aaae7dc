"""Writes cleanlab's results for random examples to cleanlab_results.json.

cleanlab is no dependency: it needs scikit-learn, whose version users choose for their
model. The results were written with cleanlab 2.9.0, installed in a folder of its own:

    pip install --target /tmp/cleanlab cleanlab==2.9.0
    PYTHONPATH=.:/tmp/cleanlab python -m tests.unit.quality.cleanlab_results
"""

import json
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_suffix(".json")
SEEDS = range(20)


def examples(seed):
    """Random labels and probabilities: every other seed as the service spreads them."""
    random = np.random.default_rng(seed)
    classes, count = random.integers(2, 7), random.integers(20, 60)
    given = np.concatenate([np.arange(classes), random.integers(0, classes, count)])
    if seed % 2:
        probabilities = random.dirichlet(np.full(classes, 0.5), len(given))
    else:
        predicted = np.where(
            random.random(len(given)) < 0.6,
            given,
            random.integers(0, classes, len(given)),
        )
        scores = 1 / classes + random.random(len(given)) * (1 - 1 / classes)
        rest = (1 - scores) / (classes - 1)
        probabilities = np.repeat(rest[:, np.newaxis], classes, axis=1)
        probabilities[np.arange(len(given)), predicted] = scores
    return given, probabilities.round(3)


def main():
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    cases = []
    for seed in SEEDS:
        given, probabilities = examples(seed)
        issues = find_label_issues(
            given,
            probabilities,
            filter_by="confident_learning",
            return_indices_ranked_by="self_confidence",
        )
        quality = get_label_quality_scores(given, probabilities)
        cases.append(
            {
                "given": given.tolist(),
                "probabilities": probabilities.tolist(),
                "quality": quality.tolist(),
                "issues_worst_first": issues.tolist(),
            }
        )
    RESULTS.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
