"""Fills the area around an annotator's key points, as a brush mask."""

import os
from typing import Dict, List, Optional
from uuid import uuid4

import numpy as np
from label_studio_sdk.converter import brush
from PIL import Image

from label_studio_ml.model import LabelStudioMLBase

TOLERANCE = int(os.environ.get("SEGMENT_TOLERANCE", "30"))


class Segmenter:
    """Loaded once per process, like a large model."""

    def __init__(self):
        self.seen = {}

    def mask(self, path, points, signs):
        if path not in self.seen:
            self.seen[path] = np.asarray(Image.open(path).convert("L")).astype(int)
        image = self.seen[path]
        mask = np.zeros(image.shape, dtype=bool)
        for (x, y), sign in zip(points, signs):
            near = np.abs(image - image[y, x]) <= TOLERANCE
            mask = mask | near if sign else mask & ~near
        return mask.astype(np.uint8)


SEGMENTER = Segmenter()


class BrushSegmenter(LabelStudioMLBase):
    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.1")

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> List[Dict]:
        from_name, to_name, value = self.get_first_tag_occurence("BrushLabels", "Image")
        if not context or not context.get("result"):
            return []
        width = context["result"][0]["original_width"]
        height = context["result"][0]["original_height"]
        points, signs, label = [], [], None
        for each in context["result"]:
            x = each["value"]["x"] * width / 100
            y = each["value"]["y"] * height / 100
            label = each["value"][each["type"]][0]
            if each["type"] == "keypointlabels":
                points.append((int(x), int(y)))
                signs.append(int(each.get("is_positive", 0)))
        path = self.get_local_path(tasks[0]["data"][value], task_id=tasks[0]["id"])
        mask = SEGMENTER.mask(path, points, signs)
        return [
            {
                "result": [
                    {
                        "id": str(uuid4())[:4],
                        "from_name": from_name,
                        "to_name": to_name,
                        "original_width": width,
                        "original_height": height,
                        "image_rotation": 0,
                        "value": {
                            "format": "rle",
                            "rle": brush.mask2rle(mask * 255),
                            "brushlabels": [label],
                        },
                        "score": np.float32(mask.mean()),
                        "type": "brushlabels",
                        "readonly": False,
                    }
                ],
                "model_version": self.get("model_version"),
                "score": np.float32(mask.mean()),
            }
        ]
