"""Models whose training does one thing each: learn, linger, crash, fill memory, …."""

import ctypes
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from django.utils.module_loading import import_string

from label_studio_ml.model import LabelStudioMLBase


class Remembering(LabelStudioMLBase):
    """Keeps the ids of the annotations it was given."""

    def train(self, dataset, run):
        seen = {task.id: [each["id"] for each in task.annotations] for task in dataset}
        (run.artifacts / "seen.json").write_text(json.dumps(seen))
        run.progress(0.5, "half way", loss=0.5)
        print("remembered", len(seen))
        return {"tasks": len(seen)}


class Measuring(Remembering):
    """Measures itself on the tasks held out, as a model may."""

    def train(self, dataset, run):
        held_out = [task.id for task in dataset.held_out]
        (run.artifacts / "held_out.json").write_text(json.dumps(held_out))
        return super().train(dataset, run) | {"held_out": len(held_out)}


class Legacy(LabelStudioMLBase):
    """As written for the reference SDK: one `fit` per event, state in strings."""

    def setup(self):
        self.set("model_version", "untrained-1")

    def fit(self, event, data, **kwargs):
        seen = json.loads(self.get("seen") or "[]")
        seen.append([event, data.get("annotation", {}).get("id")])
        self.set("seen", json.dumps(seen))
        self.set("model_version", f"fitted-{len(seen)}")


class Slow(LabelStudioMLBase):
    """Reports progress for half a minute, and stops when asked to."""

    def train(self, dataset, run):
        for step in range(600):
            run.progress(step / 600, f"step {step}", loss=1 / (step + 1))
            time.sleep(0.05)


class Brief(LabelStudioMLBase):
    """Takes about a second."""

    def train(self, dataset, run):
        (run.artifacts / "weights").write_bytes(os.urandom(2000))
        for step in range(10):
            run.progress(step / 10, f"step {step}")
            time.sleep(float(os.environ.get("BRIEF_STEP_S", "0.1")))
        return {"tasks": len(dataset)}


class Stubborn(LabelStudioMLBase):
    """Never checks whether it was cancelled, and neither does its child."""

    def train(self, dataset, run):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        (run.artifacts / "half").write_text("written")
        time.sleep(60)


class HoldingTheLock(LabelStudioMLBase):
    """Sleeps in C without releasing the interpreter's lock."""

    def train(self, dataset, run):
        ctypes.PyDLL(None).sleep(int(os.environ.get("HOLD_S", "6")))


class CrossValidating(LabelStudioMLBase):
    """Reports out-of-sample probabilities: valid ones, and others."""

    def train(self, dataset, run):
        rows = {task.id: {"Positive": 0.75, "Negative": 0.25} for task in dataset}
        run.out_of_sample("sentiment", rows | {5000: {"Positive": float("nan")}})
        run.out_of_sample("nul\0", {1: {"a\0\ud800": 0.5}})
        run.out_of_sample("x" * 5_000, {1: {}, "two": {"A": 1}})
        run.out_of_sample("nothing", None)


class Raising(LabelStudioMLBase):
    """Fails as training code does."""

    def train(self, dataset, run):
        raise ValueError("the labels make no sense, token=abcdef123456")


class Exiting(LabelStudioMLBase):
    """Exits without an error message."""

    def train(self, dataset, run):
        os._exit(7)


class Quitting(LabelStudioMLBase):
    """Calls sys.exit, as scripts do."""

    def train(self, dataset, run):
        sys.exit("nothing to do")


class Crashing(LabelStudioMLBase):
    """Reads invalid memory."""

    def train(self, dataset, run):
        ctypes.string_at(0)


class Hungry(LabelStudioMLBase):
    """Allocates memory without end."""

    def train(self, dataset, run):
        hoard = []
        while True:
            hoard.append(bytearray(16 << 20))
            time.sleep(0.01)


class Chatty(LabelStudioMLBase):
    """Prints from Python and from C, a lot."""

    def train(self, dataset, run):
        for number in range(20_000):
            print("line", number)
        os.write(1, b"from a file descriptor\n")
        os.write(2, b"and standard error\x00\xff\n")


class Eager(LabelStudioMLBase):
    """Reports a hundred thousand times."""

    def train(self, dataset, run):
        started = time.perf_counter()
        for step in range(100_000):
            run.progress(step / 100_000, f"step {step}", loss=1 / (step + 1))
        return {"progress_seconds": time.perf_counter() - started}


class Heavy(LabelStudioMLBase):
    """Writes ten megabytes."""

    def train(self, dataset, run):
        (run.artifacts / "weights").write_bytes(os.urandom(10 << 20))


class Strict(LabelStudioMLBase):
    """Reads data["annotation"], which Label Studio's Start training does not send."""

    def setup(self):
        self.set("device", "cpu")

    def fit(self, event, data, **kwargs):
        annotation = data["annotation"]
        self.set("seen", f"{self.get('seen') or ''}{annotation['id']} ")
        if annotation.get("ground_truth"):
            raise import_string(os.environ["FIT_RAISES"])("token=abcdef123456")


class Idle(LabelStudioMLBase):
    """Keeps state when it is set up, and does nothing in `fit` but count."""

    def setup(self):
        self.set("device", "cpu")

    def fit(self, event, data, **kwargs):
        return {"calls": 1}


class Filing(LabelStudioMLBase):
    """Writes a file for an annotation, and nothing for Start training."""

    def fit(self, event, data, **kwargs):
        if event == "ANNOTATION_CREATED":
            with Path(os.environ["MODEL_DIR"], "seen.txt").open("a") as seen:
                seen.write(f"{data['annotation']['id']} ")


class Wordy(Exception):
    """An error with a long message that is not valid Unicode."""

    def __str__(self):
        return f"{self.args[0]} \udc80 {'x' * 5000}"


class LeavingNoise(LabelStudioMLBase):
    """Ends while a process that it started continues to print."""

    def train(self, dataset, run):
        subprocess.Popen(["yes", "still here"])
        time.sleep(0.2)
        os._exit(3)


class Unstorable(LabelStudioMLBase):
    """Reports text that PostgreSQL cannot store, and secrets."""

    def train(self, dataset, run):
        run.progress(0.5, "half\0 \ud800 token=abcdef123456", **{"lo\0ss": 0.5})
        time.sleep(0.6)
        run.progress(0.6)
        return {"a\0b": 1.0}


class PrintingKeys(LabelStudioMLBase):
    """Prints more than is kept, with a secret in each line."""

    def train(self, dataset, run):
        for _ in range(3000):
            print("connecting with password=hunter2hunter2hunter2")
