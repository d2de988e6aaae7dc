"""Sorts texts into the choices of the label config, and learns from your annotations.

The one file of this project that is yours: change it, or put your own model in its
place. TF-IDF over pieces of words and a logistic regression learn from a few dozen
texts, in any language that puts spaces between words, in well under a second.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training import Dataset, Run


class TextClassifier(LabelStudioMLBase):
    """One choice for each text, for a label config with `<Choices>` on a `<Text>`."""

    concurrency = 4  # scikit-learn predicts safely in several threads at once
    classifier: Pipeline | None = None  # until it has seen texts of two labels

    def load(self, artifacts: Path) -> None:
        """Read what `train` wrote; called once per process and version."""
        self.classifier = joblib.load(artifacts / "classifier.joblib")

    def predict(
        self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Give every task its most probable choice, with that probability as score."""
        from_name, to_name, value = self.get_first_tag_occurence("Choices", "Text")
        labels = self.parsed_label_config[from_name]["labels"]
        texts = [str(task["data"].get(value, "")) for task in tasks]
        guesses = best_guesses(self.classifier, texts, labels)
        return [
            {
                "score": score,
                "result": [
                    {
                        "from_name": from_name,
                        "to_name": to_name,
                        "type": "choices",
                        "value": {"choices": [label]},
                    }
                ],
            }
            for label, score in guesses
        ]

    def train(self, dataset: Dataset, run: Run) -> None:
        """Fit on all annotated texts; what was right is counted on held-out ones."""
        from_name, _, value = self.get_first_tag_occurence("Choices", "Text")
        texts, labels = dataset.chosen(value, from_name)
        classifier = None  # one label alone leaves nothing to tell apart
        if len(set(labels)) > 1:
            run.progress(0.1, f"measuring on {len(texts)} texts, each held out once")
            run.metrics.update(held_out_metrics(texts, labels))
            run.progress(0.8, f"fitting on all {len(texts)}")
            classifier = new_classifier().fit(texts, labels)
        joblib.dump(classifier, run.artifacts / "classifier.joblib")


def new_classifier() -> Pipeline:
    """Return an untrained classifier; here you turn the knobs."""
    pieces_of_words = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True
    )
    return make_pipeline(pieces_of_words, LogisticRegression(C=10, max_iter=1000))


def best_guesses(
    classifier: Pipeline | None, texts: list[str], labels: list[str]
) -> list[tuple[str, float]]:
    """Return the best of `labels` and its probability (0..1) for each text.

    Without a classifier all labels are equally probable, and the score says so.
    """
    known = classifier.classes_.tolist() if classifier else []
    allowed = [known.index(label) for label in labels if label in known]
    if classifier is None or not allowed:
        return [(labels[0], 1 / len(labels))] * len(texts)
    rows = classifier.predict_proba(texts)
    best = [max(allowed, key=row.__getitem__) for row in rows]
    return [(known[at], float(row[at])) for at, row in zip(best, rows, strict=True)]


def held_out_metrics(texts: list[str], labels: list[str]) -> dict[str, float]:
    """Score guesses for texts that the guessing model never saw (cross-validation).

    Only labels with two texts or more can be held out; with fewer than two such labels
    nothing can be measured, and the answer is empty.
    """
    counts = Counter(labels)
    measured = sorted(label for label in counts if counts[label] > 1)
    if len(measured) < 2:
        return {}
    pairs = [pair for pair in zip(texts, labels, strict=True) if pair[1] in measured]
    x, y = zip(*pairs, strict=True)
    folds = min(5, *(counts[label] for label in measured))
    guesses = cross_val_predict(new_classifier(), x, y, cv=folds)
    f1 = f1_score(y, guesses, labels=measured, average=None, zero_division=0.0)
    cells = Counter(zip(y, guesses, strict=True))  # what was meant, what was guessed
    metrics = {"accuracy": float(accuracy_score(y, guesses)), "held_out_texts": len(y)}
    metrics |= {f"f1/{label}": float(f1[at]) for at, label in enumerate(measured)}
    metrics |= {f"confusion/{meant}/{said}": n for (meant, said), n in cells.items()}
    return metrics
