"""One PostgreSQL for all tests of a process that ask for it; each test has a tenant of its own."""

import pytest

from postgres_server import MISSING, PostgresServer, find_programs


@pytest.fixture(scope="session")
def postgres():
    if find_programs() is None:
        pytest.skip(MISSING)
    pytest.importorskip("psycopg", reason="needs: pip install 'treadle[postgres]'")
    server = PostgresServer()
    yield server
    server.remove()
