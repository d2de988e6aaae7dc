import pytest

from lsml.doctor.findings import Level


@pytest.fixture
def attention():
    """Run a check, and return the items that need attention, with their level."""

    def examine(check):
        found = list(check())
        assert all(each.next_step for each in found if each.level is not Level.OK)
        return {each.item: each for each in found if each.level is not Level.OK}

    return examine
