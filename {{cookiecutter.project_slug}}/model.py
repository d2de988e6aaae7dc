"""Classifies texts by the choices of the label config, and learns from annotations.

This is the only file that you need to change: edit it, or replace it with your own
model. TF-IDF over character n-grams and a logistic regression learn from a few dozen
texts in less than a second, in any language that separates words by spaces.
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
from label_studio_ml.scores import margin
from label_studio_ml.training import Dataset, Run


class TextClassifier(LabelStudioMLBase):
    """Predicts one choice per text. The label config has `<Choices>` on a `<Text>`."""

    concurrency = 4  # scikit-learn can predict in several threads at once
    classifier: Pipeline | None = None  # None until trained on two different labels

    def load(self, artifacts: Path) -> None:
        """Read what `train` wrote. Called once per process and version."""
        self.classifier = joblib.load(artifacts / "classifier.joblib")

    def predict(
        self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return each task's most probable choice, with its probability.

        The score of the task is the lead over the next choice: the texts with the
        lowest scores teach most if they are labelled next.
        """
        from_name, to_name, value = self.get_first_tag_occurence("Choices", "Text")
        labels = self.parsed_label_config[from_name]["labels"]
        texts = [str(task["data"].get(value, "")) for task in tasks]
        return [
            {
                "score": margin(row),
                "result": [
                    {
                        "from_name": from_name,
                        "to_name": to_name,
                        "type": "choices",
                        "score": max(row),
                        "value": {"choices": [labels[row.index(max(row))]]},
                    }
                ],
            }
            for row in probabilities(self.classifier, texts, labels)
        ]

    def train(self, dataset: Dataset, run: Run) -> None:
        """Fit on all annotated texts, and measure quality by cross-validation."""
        from_name, _, value = self.get_first_tag_occurence("Choices", "Text")
        texts, labels = dataset.chosen(value, from_name)
        classifier = None  # a classifier needs at least two different labels
        if len(set(labels)) > 1:
            run.progress(0.1, f"cross-validating {len(texts)} texts")
            guesses = cross_validated(texts, labels)
            run.metrics.update(quality(guesses, labels))
            ids = dataset.chosen_ids(value, from_name)
            # With these, the service finds suspicious annotations:
            run.out_of_sample(from_name, {ids[at]: row for at, row in guesses.items()})
            run.progress(0.8, f"fitting on all {len(texts)} texts")
            classifier = new_classifier().fit(texts, labels)
        joblib.dump(classifier, run.artifacts / "classifier.joblib")


def new_classifier() -> Pipeline:
    """Return an untrained classifier. Change its parameters here."""
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True
    )
    return make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000))


def probabilities(
    classifier: Pipeline | None, texts: list[str], labels: list[str]
) -> list[list[float]]:
    """Return for each text how probable (0..1) each of `labels` is.

    Without a classifier that knows one of them, all have the same probability.
    """
    known = classifier.classes_.tolist() if classifier else []
    if classifier is None or not set(known) & set(labels):
        return [[1 / len(labels)] * len(labels)] * len(texts)
    rows = classifier.predict_proba(texts).tolist()
    by_label = [dict(zip(known, row, strict=True)) for row in rows]
    return [[row.get(label, 0.0) for label in labels] for row in by_label]


def cross_validated(texts: list[str], labels: list[str]) -> dict[int, dict[str, float]]:
    """Return for each text, by its place, how probable each label is.

    The classifier that says so has learned from other texts only. Texts whose label
    occurs once are left out. With fewer than two other labels the result is empty.
    """
    counts = Counter(labels)
    measured = sorted(label for label in counts if counts[label] > 1)
    if len(measured) < 2:
        return {}
    places = [at for at, label in enumerate(labels) if label in measured]
    rows = cross_val_predict(
        new_classifier(),
        [texts[at] for at in places],
        [labels[at] for at in places],
        cv=min(5, *(counts[label] for label in measured)),
        method="predict_proba",
    )
    return {
        at: dict(zip(measured, row, strict=True))
        for at, row in zip(places, rows.tolist(), strict=True)
    }


def quality(
    guesses: dict[int, dict[str, float]], labels: list[str]
) -> dict[str, float]:
    """Measure quality by what cross-validation says about texts, by their places."""
    if not guesses:
        return {}
    y = [labels[at] for at in guesses]
    best = [max(row, key=row.__getitem__) for row in guesses.values()]
    measured = sorted(set(y))
    f1 = f1_score(y, best, labels=measured, average=None, zero_division=0.0)
    cells = Counter(zip(y, best, strict=True))
    metrics = {"accuracy": float(accuracy_score(y, best)), "measured_texts": len(y)}
    metrics |= {f"f1/{label}": float(f1[at]) for at, label in enumerate(measured)}
    metrics |= {f"confusion/{true}/{guess}": n for (true, guess), n in cells.items()}
    return metrics
