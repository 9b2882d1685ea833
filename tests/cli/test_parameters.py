"""What a word of the command line may be: a name is not empty, a text is text, a number fits."""

import os

import pytest

from cli.commandline import Treadle


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("threads", "--db", ""), "--db"),
        (("hi", "--agent", ""), "--agent"),
        (("delete", "one", ""), "THREAD"),
        (("init", ""), "[FOLDER]"),
        (("cancel", "one", "--by", ""), "--by"),
        (("db", "export", "-o", ""), "--output"),
    ],
)
def test_an_empty_word_names_nothing(treadle: Treadle, words: tuple[str, ...], option: str) -> None:
    ran = treadle(*words)
    assert (ran.code, ran.out) == (2, "")
    assert f"Invalid value for '{option}'" in ran.err
    assert "it is empty" in ran.err


def test_a_text_may_be_empty(treadle: Treadle) -> None:
    ran = treadle("hi", "--system", "", "--tools", "", agent="echoes")
    assert (ran.code, ran.out) == (0, "1: hi\n")


@pytest.mark.parametrize(
    "words",
    [("h\udcff",), ("-t", "\udcff", "hi"), ("threads", "--agent", "\udcff"), ("show", "\udcff")],
)
def test_what_is_no_text_is_refused(treadle: Treadle, words: tuple[str, ...]) -> None:
    ran = treadle(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "it is not text in UTF-8" in ran.err


def test_a_file_s_name_may_be_any_bytes(treadle: Treadle) -> None:
    odd = treadle.agents.with_name("agents\udcff.py")
    os.link(treadle.agents, odd)
    ran = treadle("hi", "--agent", f"{odd}:echoes")
    assert (ran.code, ran.out) == (0, "2: hi\n")


@pytest.mark.parametrize("option", ["--limit", "--before"])
def test_a_number_that_fits_nowhere_is_refused(treadle: Treadle, option: str) -> None:
    ran = treadle("threads", option, "9" * 30)
    assert (ran.code, ran.out) == (2, "")
    assert "it is larger than 1,000,000,000" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-c", "-t", "mine", "hi"), "-t names one: choose one of them"),
        (("resume", "--all", "--take"), "are for one thread: treadle resume THREAD"),
        (("resume", "--all", "--retry-failed"), "are for one thread: treadle resume THREAD"),
        (("show", "last", "--raw", "--openai"), "--raw and --openai are not shown at once"),
        (("show", "last", "--picture", "--prompt", "1"), "--picture and --prompt are not shown"),
    ],
)
def test_an_option_that_another_would_put_aside_is_refused(
    treadle: Treadle, words: tuple[str, ...], said: str
) -> None:
    treadle("hello", agent="echoes")
    ran = treadle(*words, agent="echoes")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
