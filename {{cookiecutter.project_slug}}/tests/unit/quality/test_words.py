"""Commands, REST and the console call a choice by the same word."""

import pytest

from lsml.quality.next.services import Strategy
from lsml.registry.models import Project


@pytest.mark.parametrize("choices", [Strategy, Project.Sampling])
def test_the_console_shows_the_word_that_commands_and_rest_take(choices):
    words = [label.lower().replace(" ", "-") for label in choices.labels]
    assert words == choices.values
