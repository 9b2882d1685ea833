"""Words that look like a command are no billed question; questions still are."""

import pytest

from cli.commandline import Treadle
from treadle.cli.main import COMMANDS
from treadle.cli.near_miss import find_near_miss
from treadle.core.version import VERSION


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("shwo last", "treadle show last. As a question: treadle -- shwo last"),
        ("thread", "treadle threads."),
        ("cost", "treadle costs."),
        ("stat", "treadle stats."),
        ("Show last", "treadle show last."),
        ("aprove mine c00001000 --deny", "treadle approve mine c00001000."),
        ("anwser mine blue", "treadle answer mine blue."),
        ("resmue mine", "treadle resume mine."),
        ("list", "treadle threads or treadle tools or treadle models."),
        ("ls", "treadle threads."),
        ("export", "treadle db export."),
        ("chat", "treadle."),
        ("keys", "treadle models."),
        ("completion bash", "treadle --install-completion."),
        ("run shop.py", "treadle --agent shop.py."),
        ("shop.py:agent", "treadle --agent shop.py:agent."),
        ("help shwo", "treadle help show."),
        ("help nothing", "treadle help."),
        ("version please", "treadle version please."),
        ("export-trace mine", "treadle export-traces mine."),
        ("shwo last --full", "treadle show last. As a question: treadle -- shwo last --full"),
    ],
)
def test_a_mistyped_command_is_told_what_was_probably_meant(
    treadle: Treadle, words: str, meant: str
) -> None:
    ran = treadle(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: '{words.split()[0]}' looks like a command; was this meant? ")
    assert meant in ran.err
    assert treadle("threads").err == "there is no thread yet\n", "nothing was asked"


def test_it_is_seen_behind_options_too(treadle: Treadle) -> None:
    ran = treadle("-q", "-t", "mine", "shwo", "last")
    assert ran.code == 2
    assert "As a question: treadle -q -t mine -- shwo last" in ran.err
    assert (
        "treadle help show. As a question: treadle -q -- help show"
        in treadle("-q", "help", "show").err
    )
    assert "treadle help. As a question: treadle -q -- help\n" in treadle("-q", "help").err


@pytest.mark.parametrize(
    "words",
    [
        ("hello",),
        ("why?",),
        ("costs?",),
        ("thread safety in python",),
        ("thread", "safety", "in", "python"),
        ("cost", "per", "token"),
        ("summarise",),
        ("what", "does", "shop.py", "do"),
        ("review", "shop.py"),
        ("help", "me", "please"),
        ("what", "costs"),
        ("--", "shwo", "last"),
        ("-q", "--", "list"),
        ("-t", "shwo", "hello"),
        ("translate",),
        ("four",),
        ("evil",),
        ("tall", "buildings"),
        ("summaries",),
        ("d",),
        ("run", "away"),
        ("weather", "tomorrow"),
        ("note", "that", "down"),
    ],
)
def test_a_question_is_still_a_question(treadle: Treadle, words: tuple[str, ...]) -> None:
    ran = treadle("--agent", f"{treadle.agents}:echoes", *words)
    question = " ".join(word for word in words if word[:1] != "-" and word != "shwo")
    assert ran.code == 0, ran.err
    assert ran.out.strip().endswith(question if "shwo" not in words else words[-1])


def test_control_characters_are_shown_as_such() -> None:
    assert "\x1b" not in find_near_miss(["show\x1b"], COMMANDS)


def test_version_is_said(treadle: Treadle) -> None:
    assert treadle("version").out == f"treadle {VERSION}\n"


def test_help_is_that_of_the_command(treadle: Treadle) -> None:
    assert treadle("help").out == treadle("--help").out
    assert treadle("help", "show").out == treadle("show", "--help").out
    assert treadle("help", "db", "export").out == treadle("db", "export", "--help").out
