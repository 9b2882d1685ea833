"""`treadle "question"`: what goes where, and what the exit code says."""

import json
import re

import pytest

from cli.commandline import Treadle
from treadle import __version__
from treadle.cli.stdin import MAX_BYTES
from treadle.this_user import current_user


def test_a_pipe_gets_the_answer_alone_and_the_steps_go_to_stderr(treadle: Treadle) -> None:
    ran = treadle("1+2?", agent="agent")
    assert (ran.code, ran.out) == (0, "The sum is 3.\n")
    lines = ran.err.splitlines()
    assert lines[:2] == ["Let me add.", "→ add(a=1, b=2)"]
    assert re.fullmatch(r"← add: 3  [\d.]+ m?s", lines[2])
    assert lines[3].startswith("2 steps, 1 tool call, ")


def test_quiet_shows_no_steps(treadle: Treadle) -> None:
    ran = treadle("-q", "1+2?", agent="agent")
    assert (ran.out, ran.err) == ("The sum is 3.\n", "")


@pytest.mark.slow
def test_json_prints_every_record_as_a_line(treadle: Treadle) -> None:
    ran = treadle("1+2?", "--json", agent="agent")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    said = {"type": "UserSaid.2", "content": "1+2?", "by": current_user()}
    assert records[2]["event"] == said
    assert records[-1]["event"]["type"] == "TurnEnded"
    assert ran.err == ""


def test_escapes_of_model_and_tool_are_shown_and_markup_is_no_markup(treadle: Treadle) -> None:
    ran = treadle("go", agent="escapes")
    assert ran.out == "\\x1b]0;evil\\x07 [red]x[/red]\n"
    assert "\x1b" not in ran.err
    assert '→ add(a="\\u001b[2J", b=1)' in ran.err or "← add: error" in ran.err


def test_a_limit_gives_the_partial_answer_and_code_3(treadle: Treadle) -> None:
    ran = treadle("go", agent="limited")
    assert ran.code == 3
    assert ran.out.startswith("5: No more tools can be used in this turn.")
    assert "stopped at the limit of steps: 1 of 1" in ran.err


def test_the_options_set_the_limits(treadle: Treadle) -> None:
    assert treadle("1+2?", "--max-steps", "1", agent="agent").code == 3


def test_a_cost_limit_without_a_price_is_refused_unless_it_is_let_pass(treadle: Treadle) -> None:
    ran = treadle("1+2?", "--max-cost", "1", agent="unpriced")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: a limit in US dollars can't hold: no price is known for scripted; give it, as"
        ' -o \'prices={"input": 0.2, "output": 0.8}\' (US dollars for a million tokens),'
        " limit --max-tokens instead, or say --unpriced to let its calls pass\n"
    )
    assert treadle("1+2?", "--max-cost", "1", "--unpriced", agent="unpriced").out == "Priceless.\n"


def test_a_failed_turn_is_a_safe_line_and_code_1_and_says_how_to_go_on(treadle: Treadle) -> None:
    ran = treadle("go", "-t", "mine", agent="denied")
    assert (ran.code, ran.out) == (1, "")
    error, how = ran.err.splitlines()
    assert error == "error: the key \\x1b[31m is wrong"
    assert how.startswith("nothing is lost; later, or with another model: treadle resume mine")
    assert how.endswith("-m MODEL")


def test_a_plan_is_no_part_of_the_answer(treadle: Treadle) -> None:
    ran = treadle("1+2?", "--plan", agent="planned")
    assert ran.out == "3.\n"
    assert "1. Add." in ran.err


def test_continue_goes_on_with_the_last_thread_and_a_name_with_its_own(treadle: Treadle) -> None:
    assert treadle("one", "-t", "mine", agent="echoes").out == "2: one\n"
    assert treadle("two", agent="echoes").out == "2: two\n"
    assert treadle("three", "-t", "mine", agent="echoes").out == "4: three\n"
    assert treadle("four", "-c", agent="echoes").out == "6: four\n"


def test_nothing_to_continue_is_said(treadle: Treadle) -> None:
    ran = treadle("go on", "-c", agent="echoes")
    assert (ran.code, ran.err) == (
        2,
        "error: there is no thread to continue yet; ask something first\n",
    )


def test_words_without_quotes_are_one_question(treadle: Treadle) -> None:
    assert treadle("how", "are", "you?", agent="echoes").out == "2: how are you?\n"


def test_after_two_dashes_a_commands_name_is_a_question(treadle: Treadle) -> None:
    options = ("--agent", f"{treadle.agents}:echoes")
    assert treadle(*options, "--", "tools").out == "2: tools\n"


def test_piped_text_comes_with_the_question(treadle: Treadle) -> None:
    out = treadle("why?", agent="echoes", stdin=b"boom at 3\n").out
    assert out == "2: why?\n\nThe text on standard input:\n<stdin>\nboom at 3\n</stdin>\n"


@pytest.mark.parametrize("words", [(), ("-",)])
def test_piped_text_alone_is_the_question(treadle: Treadle, words: tuple[str, ...]) -> None:
    assert treadle(*words, agent="echoes", stdin="wie spät?\n".encode()).out == "2: wie spät?\n"


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"\x89PNG\r\n", "standard input is not text in UTF-8 (byte 0x89 at 0); give text"),
        (b"a\0b", "standard input is not text (a zero byte at 1); give text"),
        (b"x" * (MAX_BYTES + 1), "standard input holds more than 1,000,000 bytes"),
    ],
)
def test_input_that_is_no_text_or_too_much_is_refused(
    treadle: Treadle, stdin: bytes, said: str
) -> None:
    ran = treadle("why?", agent="echoes", stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {said}")


def test_nothing_to_ask_is_a_usage_error(treadle: Treadle) -> None:
    ran = treadle(agent="echoes")
    assert ran.code == 2
    assert "nothing to ask" in ran.err


def test_a_turn_that_needs_a_person_waits_with_code_4_and_says_how_to_go_on(
    treadle: Treadle,
) -> None:
    ran = treadle("send it", "-t", "mine", agent="sends")
    assert (ran.code, ran.out) == (4, "")
    assert f"treadle resume mine --agent {treadle.agents}:sends" in ran.err
    again = treadle("more", "-t", "mine", agent="patient")
    assert again.code == 4
    assert again.out == "Still waiting.\n"
    assert "decide on a terminal: treadle resume mine" in again.err


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("nobody", "nobody isn't there; there are: agent, echoes, "),
        (
            "number",
            "number is of the type int, not Agent or Flow or Graph; there are: agent, echoes, ",
        ),
    ],
)
def test_an_agent_that_is_not_there_is_a_usage_error_that_names_those_that_are(
    treadle: Treadle, agent: str, said: str
) -> None:
    ran = treadle("go", agent=agent)
    assert ran.code == 2
    assert said in ran.err
    assert "agent, echoes, " in ran.err


def test_a_broken_agent_file_is_named_with_its_line(treadle: Treadle) -> None:
    treadle.agents.write_text("x = 1\ny = 1 / 0\n")
    ran = treadle("go", agent="agent")
    assert ran.code == 2
    assert f"ZeroDivisionError: division by zero ({treadle.agents}, line 2)" in ran.err


def test_tools_are_chosen_by_name_and_glob(treadle: Treadle) -> None:
    assert treadle("1+2?", "--tools", "a*", agent="agent").code == 0
    ran = treadle("go", "--tools", "add,nope", agent="agent")
    assert ran.code == 2
    assert "no tool is named 'nope'; there are: add, send, slow, ask_user" in ran.err


def test_the_version_is_shown(treadle: Treadle) -> None:
    assert treadle("--version").out == f"treadle {__version__}\n"


def test_a_wrong_option_is_a_usage_error(treadle: Treadle) -> None:
    ran = treadle("--nope")
    assert ran.code == 2
    assert "--nope" in ran.err
