"""`treadle save-test`: what it writes is run."""

import os
from pathlib import Path

import pytest

from cli.commandline import Treadle
from evals.plugged import run

pytest_plugins = ["pytester"]

CHANGES = """
from dataclasses import replace
from treadle import Limits
polite = replace(echoes, instructions="Be polite.", name="agent")
short = replace(agent, limits=Limits(steps=1))
"""


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """The working directory, which pytest runs in too."""
    return pytester.path


def saved(treadle: Treadle, thread: str, agent: str, *words: str) -> str:
    ran = treadle("save-test", thread, *words, agent=agent)
    assert ran.code == 0, ran.err
    return Path(ran.out.strip()).read_text("utf8")


def test_what_is_saved_is_for_its_owner_only(treadle: Treadle, folder: Path) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    saved(treadle, "sum", "agent")
    for file in ("test_sum.py", "test_sum.jsonl"):
        assert (folder / "tests" / file).stat().st_mode & 0o777 == 0o600


def test_a_thread_becomes_a_test_that_passes(
    treadle: Treadle, pytester: pytest.Pytester, folder: Path
) -> None:
    treadle("1+2?", "-t", "The Sum!", agent="agent")
    text = saved(treadle, "The Sum!", "agent")
    there = os.path.relpath(treadle.agents, folder / "tests")
    assert text == (
        '"""A thread that was recorded, as a test. Written by treadle save-test, to be'
        ' edited."""\n\n'
        "from pathlib import Path\n\n"
        "import pytest\n\n"
        "from treadle import Agent\n"
        "from treadle.testing import import_string\n"
        "from treadle.testing import assert_no_errors, assert_trajectory\n\n"
        f"agent = import_string({f'{there}:agent'!r}, Agent, folder=Path(__file__).parent)\n\n"
        "pytestmark = pytest.mark.treadle_replay('test_the_sum.jsonl')\n\n\n"
        "def test_the_sum_replays_to_the_byte(treadle_thread):\n"
        '    """Any change of a prompt, a schema, a limit or a rule fails here. Delete it'
        ' where they may change."""\n'
        "    treadle_thread.replay(agent)\n\n\n"
        "def test_the_sum_comes_out_the_same(treadle_thread):\n"
        '    """The agent of today, with the messages, replies, results and decisions of then."""\n'
        "    turns = treadle_thread.run(agent)\n"
        "    assert len(turns) == 1\n\n"
        "    assert_trajectory(turns[0], [('add', {'a': 1, 'b': 2})])\n"
        "    assert_no_errors(turns[0])\n"
        "    assert turns[0].status == 'answered'\n"
        "    assert turns[0].answer == 'The sum is 3.'\n"
    )  # fmt: skip
    run(pytester).assert_outcomes(passed=2)


@pytest.mark.slow
def test_several_turns_decisions_failures_and_hostile_texts_pass_too(
    treadle: Treadle, pytester: pytest.Pytester, folder: Path
) -> None:
    treadle("send it", "-t", "sent", agent="sends", typed="y\n")
    treadle("clear", "-t", 'evil"""\n{x}', agent="escapes")
    treadle("one", "-t", "more", agent="echoes")
    treadle("x" * 300, "-t", "more", agent="echoes")
    treadle("Paint.", "-t", "asked", agent="asks", typed="blue\n")
    treadle("1+2?", "-t", "limited", agent="limited")
    for thread, agent in (
        ("sent", "sends"),
        ("evil", "escapes"),
        ("more", "echoes"),
        ("asked", "asks"),
        ("limited", "limited"),
    ):
        saved(treadle, thread, agent)
    run(pytester).assert_outcomes(passed=10)


@pytest.mark.slow
def test_an_agent_that_has_changed_fails_the_tests_that_say_how(
    treadle: Treadle, pytester: pytest.Pytester, folder: Path
) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    saved(treadle, "sum", "agent")
    with treadle.agents.open("a") as more:
        more.write(CHANGES + "agent = short\n")
    ran = run(pytester)
    ran.assert_outcomes(failed=2)
    ran.stdout.fnmatch_lines(
        ["E*the replay parts from the recording at record *", "E*'limit' == 'answered'*"]
    )


def test_where_it_replays_otherwise_today_only_the_outcome_is_wanted(
    treadle: Treadle, pytester: pytest.Pytester, folder: Path
) -> None:
    treadle("hello", "-t", "hi", agent="echoes")
    with treadle.agents.open("a") as more:
        more.write(CHANGES)
    ran = treadle("save-test", "hi", "-o", "tests/test_polite.py", agent="polite")
    assert (
        "the agent of today replays it otherwise, so no test wants that; the replay parts"
        in ran.err
    )
    assert "replays_to_the_byte" not in Path("tests/test_polite.py").read_text()
    run(pytester).assert_outcomes(passed=1)


def test_a_module_is_imported_by_its_name(
    treadle: Treadle, pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    monkeypatch.syspath_prepend(str(treadle.agents.parent))
    ran = treadle("save-test", "sum", "--agent", "agents:agent")
    assert "\nfrom agents import agent\n" in Path("tests/test_sum.py").read_text()
    assert ran.err.endswith("run: python -m pytest tests/test_sum.py\n")
    run(pytester).assert_outcomes(passed=2)


@pytest.mark.parametrize("there", ["tests/test_sum.py", "tests/test_sum.jsonl"])
def test_nothing_is_written_over(treadle: Treadle, folder: Path, there: str) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    Path("tests").mkdir()
    Path(there).write_text("mine")
    ran = treadle("save-test", "sum", agent="agent")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: {there} is there already; name another with -o, or remove it\n"
    assert [(file.name, file.read_text()) for file in Path("tests").iterdir()] == [
        (Path(there).name, "mine")
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sum",), "a test needs the agent: --agent MODULE:NAME"),
        (("sum", "--agent", "{agents}", "-o", "sum.txt"), "-o sum.txt: a test's name ends in .py"),
        (("nope", "--agent", "{agents}"), "there is no thread 'nope'"),
    ],
)
def test_what_it_needs_is_said(
    treadle: Treadle, folder: Path, words: tuple[str, ...], said: str
) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    ran = treadle("save-test", *(word.format(agents=f"{treadle.agents}:agent") for word in words))
    assert ran.code == 2
    assert said in ran.err
    assert list(folder.glob("**/*.jsonl")) == []
