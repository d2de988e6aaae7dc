"""Marks high values of a time series, and learns the threshold from annotations."""

import csv
import io
import logging
import os
import xml.etree.ElementTree as ET
from typing import Dict, List, Optional

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse

logger = logging.getLogger(__name__)

_thresholds: Dict[int, float] = {}


class SeriesSegmenter(LabelStudioMLBase):
    DEFAULT = float(os.getenv("SERIES_THRESHOLD", "0.5"))

    def setup(self):
        self.set("model_version", f"{self.__class__.__name__}-v0.0.3")

    def params(self):
        from_name, to_name, value = self.label_interface.get_first_tag_occurence(
            "TimeSeriesLabels", "TimeSeries"
        )
        series = self.label_interface.get_tag(to_name)
        root = ET.fromstring(self.label_config)
        element = root.find(f".//TimeSeries[@name='{to_name}']")
        return {
            "from_name": from_name,
            "to_name": to_name,
            "value": value,
            "label": list(self.label_interface.get_tag(from_name).labels)[0],
            "time": series.attr.get("timeColumn"),
            "channel": element.find("Channel").attrib["column"],
        }

    def rows(self, task, params):
        text = self.preload_task_data(task, value=task["data"][params["value"]])
        for row in csv.DictReader(io.StringIO(text)):
            yield int(row[params["time"]]), float(row[params["channel"]])

    def threshold(self, project):
        kept = self.get(f"threshold-{project}")
        return float(kept) if kept else _thresholds.get(project, self.DEFAULT)

    def segments(self, task, params):
        start = last = None
        for time, value in self.rows(task, params):
            if value > self.threshold(task.get("project")):
                start, last = time if start is None else start, time
            elif start is not None:
                yield start, last
                start = None
        if start is not None:
            yield start, last

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> ModelResponse:
        params = self.params()
        predictions = []
        for task in tasks:
            regions = [
                {
                    "from_name": params["from_name"],
                    "to_name": params["to_name"],
                    "type": "timeserieslabels",
                    "value": {
                        "start": start,
                        "end": end,
                        "instant": start == end,
                        "timeserieslabels": [params["label"]],
                    },
                    "score": 1.0,
                }
                for start, end in self.segments(task, params)
            ]
            predictions.append({"result": regions, "score": float(bool(regions))})
        return ModelResponse(
            predictions=predictions, model_version=self.get("model_version")
        )

    def fit(self, event, data, **kwargs):
        if event not in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
            return
        params, task = self.params(), data["task"]
        inside = []
        for region in data["annotation"]["result"]:
            value = region["value"]
            inside += [
                y
                for time, y in self.rows(task, params)
                if value["start"] <= time <= value["end"]
            ]
        if inside:
            project = data["project"]["id"]
            _thresholds[project] = min(inside) * 0.99
            self.set(f"threshold-{project}", str(_thresholds[project]))
            return {"threshold": _thresholds[project]}
