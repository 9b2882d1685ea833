"""What pytest gets from Treadle: fixtures for scripted models and recorded threads, and a guard against real ones.

pytest loads this wherever Treadle is installed, so it costs next to nothing there and imports what it needs in the
fixtures. `-p no:treadle` leaves it out. Docs: docs/testing.md.
"""

import os
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..models.scripted import ScriptedModel, ScriptItem
    from ..stores.memory import MemoryStore
    from .recording import Recording

GUARD = "TREADLE_REAL_MODELS"
_MARKERS = (
    "treadle_replay(file): the fixture treadle_thread is the thread in this file, beside the test's own.",
    "treadle_real_models: this test may ask real models.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("treadle")
    group.addoption("--treadle-real-models", action="store_true", help="Let tests ask real models.")


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    # In the environment, so that it also holds in threads, in other event loops and in child processes.
    before = os.environ.get(GUARD)
    config.add_cleanup(lambda: _put(before))
    _put(None if config.getoption("--treadle-real-models") else before or "no")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, None, None]:
    """Around all of a test's fixtures too, of whatever scope."""
    if item.get_closest_marker("treadle_real_models") is None:
        yield
        return
    before = os.environ.get(GUARD)
    _put(None)
    yield
    _put(before)


def _put(value: str | None) -> None:
    os.environ.pop(GUARD, None)
    if value is not None:
        os.environ[GUARD] = value


@pytest.fixture
def scripted_model() -> Iterator[Callable[..., "ScriptedModel"]]:
    """Makes ScriptedModels: `scripted_model(calls("now"), says("It is noon."))`, with ScriptedModel's settings.

    At the test's end an answer that nobody asked for is an error, unless it was made with `all_used=False`.
    """
    from ..models.scripted import ScriptedModel

    made: list[ScriptedModel] = []

    def make(*script: "ScriptItem", all_used: bool = True, **settings: Any) -> ScriptedModel:
        model = ScriptedModel(script, **settings)
        if all_used:
            made.append(model)
        return model

    yield make
    for model in made:
        if model.answers_left:
            asked = len(model.seen)
            pytest.fail(
                f"{model.answers_left} of the script's {asked + model.answers_left} answers were not asked for",
                pytrace=False,
            )


@pytest.fixture
def treadle_store() -> "MemoryStore":
    """A store in memory, of the test's own."""
    from ..stores.memory import MemoryStore

    return MemoryStore()


@pytest.fixture
def treadle_thread(request: pytest.FixtureRequest) -> "Recording":
    """The recorded thread that the mark `treadle_replay` names: replay it, or run it with another agent."""
    from .recording import load_recording

    marker = request.node.get_closest_marker("treadle_replay")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError(
            'treadle_thread needs @pytest.mark.treadle_replay("thread.jsonl") on its test'
        )
    return load_recording(request.node.path.parent / marker.args[0])


@pytest.fixture
def recorded_model(treadle_thread: "Recording") -> "ScriptedModel":
    """A model that gives the replies of `treadle_thread` in their order, whatever it is asked."""
    return treadle_thread.model()
