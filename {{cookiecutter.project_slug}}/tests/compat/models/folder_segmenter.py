"""Writes to a file in MODEL_DIR and checks the file's path."""

import os
from typing import Dict, List, Optional

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse


class FolderSegmenter(LabelStudioMLBase):
    MODEL_DIR = os.getenv("MODEL_DIR", ".")

    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.1")

    def path(self, project_id):
        path = os.path.normpath(os.path.join(self.MODEL_DIR, f"model_{project_id}.txt"))
        if not path.startswith(os.path.join(self.MODEL_DIR, "")):
            raise ValueError("Invalid model path")
        return path

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> ModelResponse:
        path = self.path(self.project_id)
        text = "untrained"
        if os.path.exists(path):
            with open(path) as f:
                text = f.read()
        region = {
            "from_name": "prompt",
            "to_name": "text",
            "type": "textarea",
            "value": {"text": [text]},
        }
        predictions = [{"result": [region], "score": 1.0} for _ in tasks]
        return ModelResponse(
            predictions=predictions, model_version=self.get("model_version")
        )

    def fit(self, event, data, **kwargs):
        project_id = data["annotation"]["project"]
        with open(self.path(project_id), "w") as f:
            f.write(f"annotation {data['annotation']['id']}")
