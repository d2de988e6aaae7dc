"""The web processes answer while hundreds of clients send nothing, or very slowly."""

import pytest

from benchmarks.slow_clients import answers_during, known, strangers, web_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HELD_S = 12


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with web_process(tmp_path_factory.mktemp("web")) as port:
        yield port


@pytest.mark.parametrize(
    "clients",
    [strangers(300), known(32), strangers(1400)],
    ids=["300 without credentials", "32 with credentials", "1400 without credentials"],
)
def test_slow_clients_do_not_delay_the_answers_to_others(
    port, clients, record_property
):
    answers, _ = answers_during(port, clients, seconds=HELD_S)

    slowest = max(answers, key=lambda each: each.took_s)
    record_property("slowest", f"{slowest.path} {slowest.took_s:.3f} s")
    print(f"{len(answers)} answers, slowest: {slowest}")
    assert {each.status for each in answers} == {200}
    assert slowest.took_s < 1, slowest
