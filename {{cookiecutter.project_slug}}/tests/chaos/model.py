"""The model under test: its artifact lists the annotations it was trained on."""

import json
import os
import random
import time

from label_studio_ml.model import LabelStudioMLBase


class Remembering(LabelStudioMLBase):
    """Train for a moment, print, report progress, and keep each annotation's time."""

    concurrency = 8

    def predict(self, tasks, context=None, **kwargs):
        region = {
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["Positive"]},
        }
        return [{"result": [region], "score": 0.5} for _ in tasks]

    def train(self, dataset, run):
        seen = {
            each["id"]: each["updated_at"]
            for task in dataset
            for each in task.annotations
        }
        longest_s = float(os.environ.get("CHAOS_TRAINING_S", "2"))
        steps = int(os.environ.get("CHAOS_STEPS") or random.randint(1, 10))
        for step in range(steps):
            print("step", step)
            run.progress(step / steps, f"step {step}", loss=1 / (step + 1))
            time.sleep(random.random() * longest_s / 10)
        (run.artifacts / "seen.json").write_text(json.dumps(seen))
        return {"annotations": len(seen)}
