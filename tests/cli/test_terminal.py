"""What reaches a terminal is shown, never obeyed; and languages and emoji stay whole."""

import json
import shutil
import subprocess
import sys
import unicodedata

import pytest

from treadle.core.visible import (
    escape_controls,
    make_json_visible,
    make_visible,
    visible_command,
    visible_line,
)

SEEN_MARKS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Format characters that Unicode draws: Arabic number signs and their kin."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;ZXZpbA==\x07", "\\x1b]52;c;ZXZpbA==\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("safe\rfake", "safe\\x0dfake"),
        ("a\r\nb\tc\n", "a\r\nb\tc\n"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("hi\U000e0041\U000e0042", "hi\\U000e0041\\U000e0042"),
        ("half \ud83d", "half \\ud83d"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("pass\u200dword", "pass\\u200dword"),
        ("\u2764\ufe0f\ufe0f\ufe0f", "\u2764\ufe0f\\ufe0f\\ufe0f"),
    ],
)
def test_what_a_terminal_obeys_or_a_person_cannot_see_is_shown(text: str, shown: str) -> None:
    assert make_visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f\u200d\U0001f525",
        "1\ufe0f\u20e3",
        "\u0645\u06cc\u200c\u062e\u0648",
        "naïve 北京",
    ],
)
def test_emoji_and_languages_stay_as_they_are_also_in_pieces(text: str) -> None:
    pieces = [make_visible(char, before) for before, char in zip(["", *text], text, strict=False)]
    assert make_visible(text) == "".join(pieces) == text


def test_no_control_or_format_character_of_unicode_is_forgotten() -> None:
    hidden = {
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and make_visible(chr(code)) == chr(code)
    }
    assert hidden == {9, 10} | SEEN_MARKS


def test_a_pipe_gets_every_language_but_no_control_character() -> None:
    assert escape_controls("a\u200db\u202e \x1b[31m\r\n") == "a\u200db\u202e \\x1b[31m\r\n"


def test_json_made_visible_has_the_same_value() -> None:
    value = {"a": "\x9b\u202e\U000e0041 \x7f é \U0001f468\u200d\U0001f469"}
    shown = make_json_visible(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert make_visible(shown) == shown
    assert "é" in shown


def test_a_line_is_one_line_of_its_width() -> None:
    assert visible_line("a\nb\x1b[2J  c", 20) == "a b\\x1b[2J c"
    assert visible_line("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash reads the command line")
@pytest.mark.parametrize(
    "name", ["plain", "two words", "it's", "a\nrm -rf x", "\x1b[2Jtab\t\\n'", "-x", "\u202eabc", ""]
)
def test_a_command_to_copy_is_one_safe_line_that_a_shell_reads_back(name):
    line = visible_command(["printf", "%s", "--", name])
    assert make_visible(line) == line
    assert "\n" not in line
    bash = ["bash", "-c", line]
    done = subprocess.run(bash, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout.decode().removeprefix("--") == name
