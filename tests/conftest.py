"""Settings for every test: property tests try the same examples each time; tests/fuzz.py searches for others."""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings

from treadle.models.learned import forget_all

# Without bytecode, each worker rewrites the asserts of all modules anew, and each of the processes
# that tests start compiles Treadle again: more than half of the time of many tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell ignores Ctrl-C for what it runs in the background, and so would all that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=60,
)
settings.register_profile("few", settings.get_profile("fixed"), max_examples=12)
settings.register_profile("fuzz", settings.get_profile("fixed"), derandomize=False, print_blob=True)
settings.register_profile(
    "mutants", settings.get_profile("fuzz"), phases=[Phase.generate], print_blob=False
)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _nothing_learned_of_earlier_servers():
    """Servers of other tests stood at the same ports."""
    forget_all()


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL for all tests of this process that ask for it; each has a tenant of its own."""
    from postgres_server import MISSING, PostgresServer, find_programs

    if find_programs() is None:
        pytest.skip(MISSING)
    pytest.importorskip("psycopg", reason="needs: pip install 'treadle[postgres]'")
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def temporal():
    """A real Temporal server for all tests of this process that ask for it."""
    from temporal_server import MISSING, TemporalServer, find_program

    if find_program() is None:
        pytest.skip(MISSING)
    pytest.importorskip("temporalio", reason="needs: pip install 'treadle[scale]'")
    server = TemporalServer()
    yield server
    server.remove()
