"""Classifies texts; retrains from Label Studio's API after enough annotations."""

import logging
import os
import pickle
from typing import Dict, List, Optional

import label_studio_sdk
import numpy as np

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_ml.utils import DATA_UNDEFINED_NAME, is_skipped

logger = logging.getLogger(__name__)

_pipeline = None


class WordCounts:
    """Naive Bayes, in place of a library."""

    def fit(self, texts, targets):
        self.words = [{} for _ in range(max(targets) + 1)]
        for text, target in zip(texts, targets):
            for word in text.lower().split():
                self.words[target][word] = self.words[target].get(word, 0) + 1
        return self

    def predict_proba(self, texts):
        rows = [
            [
                np.prod([each.get(word, 0.1) for word in text.lower().split()])
                for each in self.words
            ]
            for text in texts
        ]
        return np.array(rows) / np.sum(rows, axis=1, keepdims=True)


class NewsClassifier(LabelStudioMLBase):
    HOST = os.getenv("LABEL_STUDIO_HOST", "http://localhost:8080")
    API_KEY = os.getenv("LABEL_STUDIO_API_KEY")
    TRAIN_EACH = int(os.getenv("TRAIN_EACH", 2))
    MODEL_DIR = os.getenv("MODEL_DIR", ".")

    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.1")

    @property
    def path(self):
        return os.path.join(self.MODEL_DIR, f"model-{self.project_id}.pkl")

    def tags(self):
        names = self.label_interface.get_first_tag_occurence("Choices", "Text")
        return (*names, sorted(self.label_interface.get_tag(names[0]).labels))

    def pipeline(self):
        global _pipeline
        if _pipeline is None and os.path.exists(self.path):
            with open(self.path, "rb") as f:
                _pipeline = pickle.load(f)
        if _pipeline is None:
            labels = self.tags()[3]
            _pipeline = WordCounts().fit(labels, list(range(len(labels))))
        return _pipeline

    def text(self, task, value):
        raw = task["data"].get(value) or task["data"].get(DATA_UNDEFINED_NAME)
        return self.preload_task_data(task, raw)

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> ModelResponse:
        from_name, to_name, value, labels = self.tags()
        texts = [self.text(task, value) for task in tasks]
        probabilities = self.pipeline().predict_proba(texts)
        predictions = []
        for row in probabilities:
            best = np.argmax(row)
            predictions.append(
                {
                    "result": [
                        {
                            "from_name": from_name,
                            "to_name": to_name,
                            "type": "choices",
                            "value": {"choices": [labels[best]]},
                        }
                    ],
                    "score": row[best],  # a NumPy float
                    "model_version": self.get("model_version"),
                }
            )
        return ModelResponse(
            predictions=predictions, model_version=self.get("model_version")
        )

    def fit(self, event, data, **kwargs):
        global _pipeline
        if event not in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "START_TRAINING"):
            logger.info("Skip %s", event)
            return
        client = label_studio_sdk.Client(self.HOST, self.API_KEY)
        project = client.get_project(id=data["project"]["id"])
        tasks = project.get_labeled_tasks()
        if len(tasks) % self.TRAIN_EACH and event != "START_TRAINING":
            return
        _, _, value, labels = self.tags()
        texts, targets = [], []
        for task in tasks:
            if is_skipped(task):
                continue
            for annotation in task["annotations"]:
                choice = annotation["result"][0]["value"]["choices"][0]
                texts.append(self.text(task, value))
                targets.append(labels.index(choice))
        fitted = WordCounts().fit(texts, targets)
        with open(self.path, "wb") as f:
            pickle.dump(fitted, f)
        _pipeline = None
        self.set("model_version", f"{self.__class__.__name__}-{len(texts)}")
        return {"texts": len(texts), "path": self.path}
