import pytest
from django.db import connection


@pytest.fixture(autouse=True)
def no_seal_was_ever_made(transactional_db):
    """Emptying the tables between tests leaves the sequence, which remembers seals."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('audit_seal_number_seq', 1, false)")
