"""The tables of the simulations are written into the documentation."""

import pytest

from benchmarks.quality.__main__ import DOCUMENT, TABLES


@pytest.mark.parametrize("name", TABLES)
def test_each_table_has_its_place(name):
    begin = f"<!-- {name}: written by make bench-quality -->"
    _, _, rest = DOCUMENT.read_text().partition(begin)
    assert rest.partition("<!-- end -->")[0].lstrip().startswith("| ")
