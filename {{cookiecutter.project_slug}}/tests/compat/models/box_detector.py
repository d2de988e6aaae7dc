"""Detects areas of plain colours in an image; the colours' names map to labels."""

import logging
from typing import Dict, List, Optional

import numpy as np
from PIL import Image

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.utils import get_image_size, get_single_tag_keys

logger = logging.getLogger(__name__)

COLORS = {"car": (255, 0, 0), "truck": (0, 255, 0), "Boat": (0, 0, 255)}


class BoxDetector(LabelStudioMLBase):
    def __init__(self, image_dir=None, score_threshold=0.3, **kwargs):
        super(BoxDetector, self).__init__(**kwargs)
        self.image_dir = image_dir
        self.score_threshold = score_threshold
        self.from_name, self.to_name, self.value, self.labels = get_single_tag_keys(
            self.parsed_label_config, "RectangleLabels", "Image"
        )
        self.label_map = self.build_label_map(self.from_name, list(COLORS))
        control = self.label_interface.get_control(self.from_name)
        self.score_threshold = float(
            control.attr.get("model_score_threshold") or score_threshold
        )

    def _boxes(self, path):
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        for name, color in COLORS.items():
            hit = (np.abs(pixels - color).sum(axis=2)) < 60
            if name in self.label_map and hit.any():
                rows, columns = np.where(hit)
                yield name, columns.min(), rows.min(), columns.max(), rows.max(), hit

    def _region(self, name, x, y, x2, y2, score, width, height):
        return {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": "rectanglelabels",
            "original_width": width,
            "original_height": height,
            "value": {
                "rectanglelabels": [self.label_map[name]],
                "x": x / width * 100,
                "y": y / height * 100,
                "width": (x2 - x + 1) / width * 100,
                "height": (y2 - y + 1) / height * 100,
            },
            "score": score,
        }

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> List[Dict]:
        predictions = []
        for task in tasks:
            path = self.get_local_path(task["data"][self.value], task_id=task["id"])
            width, height = get_image_size(path)
            regions = []
            for name, x, y, x2, y2, hit in self._boxes(path):
                score = hit.sum() / ((x2 - x + 1) * (y2 - y + 1))
                if score >= self.score_threshold:
                    regions.append(
                        self._region(name, x, y, x2, y2, score, width, height)
                    )
            average = sum(r["score"] for r in regions) / max(len(regions), 1)
            predictions.append(
                {
                    "result": regions,
                    "score": average,
                    "model_version": self.model_version,  # not a string
                }
            )
        return predictions
