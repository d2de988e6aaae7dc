"""Calls a language model with the annotator's prompt, and stores the prompts."""

import difflib
import json
import os
from typing import Dict, List, Optional

from label_studio_sdk.label_interface.object_tags import ParagraphsTag
from label_studio_sdk.label_interface.objects import PredictionValue

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_ml.utils import match_labels


def complete(prompt: str, params: Dict) -> str:
    """Replaces the call of a language model's API."""
    shout = params.get("loud", False)
    mood = "positiv" if "great" in prompt else "negatve"
    return mood.upper() if shout else mood


class PromptModel(LabelStudioMLBase):
    PROMPT_PREFIX = os.getenv("PROMPT_PREFIX", "prompt")
    TEMPLATE = os.getenv("PROMPT_TEMPLATE", "{prompt}: {text}")
    INPUTS = ("Image", "Text", "HyperText", "Paragraphs")

    def _prompt_tags(self):
        li = self.label_interface
        from_name, to_name, _ = li.get_first_tag_occurence(
            "TextArea",
            self.INPUTS,
            name_filter=lambda s: s.startswith(self.PROMPT_PREFIX),
        )
        return li.get_control(from_name), li.get_object(to_name)

    def _choices(self, source):
        li = self.label_interface
        try:
            from_name, _, _ = li.get_first_tag_occurence(
                "Choices", self.INPUTS, to_name_filter=lambda s: s == source.name
            )
            return li.get_control(from_name)
        except:  # noqa: E722
            return None

    def _prompts(self, context, tag) -> List[str]:
        if context:
            for item in context.get("result"):
                if item.get("from_name") == tag.name:
                    return item["value"]["text"]
        elif prompt := self.get(tag.name):
            return [prompt]
        return []

    def predict(
        self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs
    ) -> ModelResponse:
        tag, source = self._prompt_tags()
        prompts = self._prompts(context, tag)
        if not prompts:
            return []
        choices = self._choices(source)
        predictions = []
        for task in tasks:
            text = task["data"].get(source.value_name)
            if isinstance(source, ParagraphsTag):
                text = json.dumps(text)
            question = self.TEMPLATE.format(prompt="\n".join(prompts), text=text)
            answer = complete(question, self.extra_params)
            regions = [tag.label(text=prompts)]
            if choices:
                labels = match_labels(answer, choices.labels)
                regions.insert(0, choices.label(labels))
            predictions.append(
                PredictionValue(
                    result=regions, score=0.1, model_version=str(self.model_version)
                )
            )
        return ModelResponse(predictions=predictions)

    def fit(self, event, data, **additional_params):
        if event not in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
            return
        tag, _ = self._prompt_tags()
        prompts = self._prompts(data["annotation"], tag)
        if not prompts:
            return
        prompt = "\n".join(prompts)
        current = self.get(tag.name)
        if current and not list(difflib.unified_diff([current], [prompt])):
            return
        history = json.loads(self.get("history")) if self.has("history") else []
        self.set("history", json.dumps([*history, prompt]))
        self.set(tag.name, prompt)
        return {"model_version": str(self.bump_model_version())}
