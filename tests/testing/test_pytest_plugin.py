"""The plugin, in pytest runs of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import treadle
from evals.plugged import PLUGIN, run
from fakes import agent
from treadle import ScriptedModel, tool
from treadle.core.codec import encode_record
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.sync import run_sync

pytest_plugins = ["pytester"]

SHOP = """
from treadle import Agent, tool

@tool(read_only=True)
def stock(item: str) -> int:
    "How many are in stock."
    return 17

agent = Agent("Answer from the stock list.", tools=[stock], name="shop")
"""


@pytest.fixture
def shop(pytester: pytest.Pytester) -> Path:
    """A folder with an agent in shop.py, and a thread of it in thread.jsonl."""

    @tool(read_only=True)
    def stock(item: str) -> int:
        """How many are in stock."""
        return 17

    script = [calls(("stock", {"item": "lamp"})), says("There are 17.")]
    asked = agent(
        ScriptedModel(script), stock, instructions="Answer from the stock list.", name="shop"
    )
    asked.run_sync("How many lamps?", thread="lamps")
    assert asked.store
    records = run_sync(open_log("lamps", asked.store, asked.world)).records
    pytester.path.joinpath("thread.jsonl").write_bytes(b"\n".join(map(encode_record, records)))
    pytester.makepyfile(shop=SHOP)
    pytester.syspathinsert()
    return pytester.path


@pytest.mark.slow
def test_a_real_request_in_a_test_is_an_error_that_says_how_to_allow_it(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import pytest
        from treadle import Agent, MemoryStore
        from treadle.models.remote_model import RemoteModel

        def ask():
            model = RemoteModel("m", base_url="http://nowhere.invalid/v1", api_key="k")
            Agent(model=model, store=MemoryStore()).run_sync("go")

        @pytest.fixture(scope="module")
        def allowed():
            import os
            return "TREADLE_REAL_MODELS" not in os.environ

        def test_refused():
            ask()

        @pytest.mark.treadle_real_models
        def test_marked(allowed):
            import os
            assert allowed and "TREADLE_REAL_MODELS" not in os.environ

        def test_refused_again():
            ask()
    """)
    ran = run(pytester)
    ran.assert_outcomes(passed=1, failed=2)
    ran.stdout.fnmatch_lines(
        ["E*UsageError: openai:m is a real model*@pytest.mark.treadle_real_models*"]
    )


@pytest.mark.parametrize(("words", "found"), [((), "no"), (("--treadle-real-models",), "None")])
def test_the_guard_is_up_unless_told_and_is_gone_afterwards(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], found: str
) -> None:
    monkeypatch.delenv("TREADLE_REAL_MODELS", raising=False)
    pytester.makepyfile(f"""
        import os
        def test_it():
            assert str(os.environ.get("TREADLE_REAL_MODELS")) == {found!r}
    """)
    run(pytester, *words).assert_outcomes(passed=1)
    assert "TREADLE_REAL_MODELS" not in os.environ


def test_what_the_caller_has_set_holds(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_REAL_MODELS", "yes")
    pytester.makepyfile("""
        import os
        def test_it():
            assert os.environ["TREADLE_REAL_MODELS"] == "yes"
    """)
    run(pytester).assert_outcomes(passed=1)
    assert os.environ["TREADLE_REAL_MODELS"] == "yes"


def test_a_script_that_is_not_used_up_is_an_error_unless_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from treadle import Agent
        from treadle.models.scripted import says

        def test_used(scripted_model, treadle_store):
            agent = Agent(model=scripted_model(says("a"), name="mine"), store=treadle_store)
            assert agent.run_sync("go").answer == "a"

        def test_left(scripted_model, treadle_store):
            agent = Agent(model=scripted_model(says("a"), says("b")), store=treadle_store)
            assert agent.run_sync("go").answer == "a"

        def test_told(scripted_model, treadle_store):
            model = scripted_model(says("a"), says("b"), all_used=False)
            agent = Agent(model=model, store=treadle_store)
            assert agent.run_sync("go").answer == "a"
    """)
    ran = run(pytester)
    ran.assert_outcomes(passed=3, errors=1)
    ran.stdout.fnmatch_lines(["1 of the script's 2 answers were not asked for"])


def test_a_recorded_thread_is_found_beside_the_test(pytester: pytest.Pytester, shop: Path) -> None:
    folder = shop / "deep"
    folder.mkdir()
    (shop / "thread.jsonl").rename(folder / "thread.jsonl")
    (folder / "test_deep.py").write_text("""
import dataclasses
import pytest
from shop import agent

pytestmark = pytest.mark.treadle_replay("thread.jsonl")

def test_run(treadle_thread):
    [result] = treadle_thread.run(agent)
    assert result.answer == "There are 17."

def test_model(recorded_model, treadle_store):
    kind = dataclasses.replace(agent, instructions="Be kind.")
    changed = dataclasses.replace(kind, model=recorded_model, store=treadle_store)
    assert changed.run_sync("Lamps?").answer == "There are 17."

def test_parts(treadle_thread):
    kind = dataclasses.replace(agent, instructions="Be kind.")
    treadle_thread.replay(dataclasses.replace(kind, model=treadle_thread.model()))
""")
    ran = run(pytester)
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(
        ["E*AssertionError: the replay parts from the recording at record 5: prompt_hash was *"]
    )
    assert "recording.py:" not in ran.stdout.str()  # the failure points at the test's own line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("", "treadle_thread needs @pytest.mark.treadle_replay"),
        ('@pytest.mark.treadle_replay("no.jsonl")', "no.jsonl can't be read: No such file"),
    ],
)
def test_a_recording_that_is_not_there_is_an_error(
    pytester: pytest.Pytester, mark: str, said: str
) -> None:
    pytester.makepyfile(f"""
        import pytest
        {mark}
        def test_it(treadle_thread):
            pass
    """)
    ran = run(pytester)
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines([f"*{said}*"])


def test_assertions_show_their_difference_and_point_at_the_test(
    pytester: pytest.Pytester, shop: Path
) -> None:
    pytester.makepyfile("""
        import pytest
        from treadle.testing.assertions import assert_trajectory

        @pytest.mark.treadle_replay("thread.jsonl")
        def test_it(treadle_thread):
            assert_trajectory(treadle_thread, [("stock", {"item": "desk"})])
    """)
    ran = run(pytester)
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(['E*≠ stock: item is "lamp", wanted "desk"'])
    assert "assertions.py:" not in ran.stdout.str()


@pytest.mark.slow
def test_pytest_starts_without_anything_heavy() -> None:
    code = (
        f"import sys, {PLUGIN}\n"
        "heavy = ('openai', 'pydantic', 'click', 'httpx2', 'genai_prices',"
        " 'treadle.testing.recording')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    source = str(Path(treadle.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
