"""`manage.py dev` refuses a port that cannot exist, before it starts anything."""

import pytest
from django.core.management import CommandError, call_command


@pytest.mark.parametrize("port", ["99999", "0", "-1", "abc", ""])
def test_a_number_that_is_no_port_is_refused_with_a_sentence(port):
    with pytest.raises(CommandError, match=r"is not a port: .* `make dev PORT=9091`"):
        call_command("dev", port=port)


def test_a_variable_that_is_no_port_is_refused_with_a_sentence(monkeypatch):
    monkeypatch.setenv("PORT", "abc")
    with pytest.raises(CommandError, match="'abc' is not a port"):
        call_command("dev")
