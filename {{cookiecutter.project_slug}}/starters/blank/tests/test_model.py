"""Tests of the model. They need neither a database nor a network."""

import pytest

from label_studio_ml.training import Dataset, Run
from model import MyModel

LABEL_CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="topic" toName="text"><Choice value="A"/><Choice value="B"/></Choices>
</View>"""


@pytest.fixture
def model():
    return MyModel(project_id="1", label_config=LABEL_CONFIG)


def test_every_task_gets_one_prediction(model):
    tasks = [{"id": at, "data": {"text": f"text {at}"}} for at in range(3)]

    predictions = model.predict(tasks)

    assert len(predictions) == len(tasks)
    assert all(isinstance(each["result"], list) for each in predictions)


def test_a_model_predicts_with_the_files_of_its_training(model, tmp_path):
    run = Run(artifacts=tmp_path)

    model.train(Dataset(label_config=LABEL_CONFIG), run)
    model.load(run.artifacts)

    assert model.predict([{"id": 1, "data": {"text": "hello"}}])
