"""Finds other occurrences of the text that the annotator has just marked."""

import re
from typing import Dict, List, Optional
from uuid import uuid4

from label_studio_sdk.label_interface.objects import PredictionValue

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse


class SubstringMatcher(LabelStudioMLBase):
    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.1")

    def _find(self, text, marked, names) -> PredictionValue:
        from_name, to_name = names
        word = marked["value"]["text"]
        regions = [
            {
                "id": str(uuid4())[:4],
                "from_name": from_name,
                "to_name": to_name,
                "type": "labels",
                "value": {
                    "start": found.start(),
                    "end": found.end(),
                    "text": text[found.start() : found.end()],
                    "labels": marked["value"]["labels"],
                },
                "score": 1.0 if found.group() == word else 0.5,
            }
            for found in re.finditer(re.escape(word), text, re.IGNORECASE)
        ]
        score = sum(region["score"] for region in regions) / max(len(regions), 1)
        return PredictionValue(
            result=regions, score=score, model_version=self.get("model_version")
        )

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> ModelResponse:
        if not context:
            return ModelResponse(predictions=[])
        from_name, to_name, value = self.label_interface.get_first_tag_occurence(
            "Labels", "Text"
        )
        marked = next(
            (r for r in context.get("result") if r["from_name"] == from_name), None
        )
        if not marked:
            return ModelResponse(predictions=[])
        predictions = []
        for task in tasks:
            text = self.preload_task_data(task, task["data"].get(value))
            predictions.append(self._find(text, marked, (from_name, to_name)))
        return ModelResponse(
            predictions=predictions, model_version=self.get("model_version")
        )
