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
        """Return each task's most probable choice, scored with its probability."""
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
        """Fit on all annotated texts, and measure quality on held-out ones."""
        from_name, _, value = self.get_first_tag_occurence("Choices", "Text")
        texts, labels = dataset.chosen(value, from_name)
        classifier = None  # a classifier needs at least two different labels
        if len(set(labels)) > 1:
            run.progress(0.1, f"measuring on {len(texts)} texts, each held out once")
            run.metrics.update(held_out_metrics(texts, labels))
            run.progress(0.8, f"fitting on all {len(texts)} texts")
            classifier = new_classifier().fit(texts, labels)
        joblib.dump(classifier, run.artifacts / "classifier.joblib")


def new_classifier() -> Pipeline:
    """Return an untrained classifier. Change its parameters here."""
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True
    )
    return make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000))


def best_guesses(
    classifier: Pipeline | None, texts: list[str], labels: list[str]
) -> list[tuple[str, float]]:
    """Return the most probable of `labels` and its probability (0..1) for each text.

    Without a classifier, all labels have the same probability.
    """
    known = classifier.classes_.tolist() if classifier else []
    allowed = [known.index(label) for label in labels if label in known]
    if classifier is None or not allowed:
        return [(labels[0], 1 / len(labels))] * len(texts)
    rows = classifier.predict_proba(texts)
    best = [max(allowed, key=row.__getitem__) for row in rows]
    return [(known[at], float(row[at])) for at, row in zip(best, rows, strict=True)]


def held_out_metrics(texts: list[str], labels: list[str]) -> dict[str, float]:
    """Measure quality by cross-validation, on texts that the classifier has not seen.

    Only labels with at least two texts can be held out. With fewer than two such labels
    nothing can be measured, and the result is empty.
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
    cells = Counter(zip(y, guesses, strict=True))
    metrics = {"accuracy": float(accuracy_score(y, guesses)), "held_out_texts": len(y)}
    metrics |= {f"f1/{label}": float(f1[at]) for at, label in enumerate(measured)}
    metrics |= {f"confusion/{true}/{guess}": n for (true, guess), n in cells.items()}
    return metrics
