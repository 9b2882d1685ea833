"""Makes untrusted text safe to show: control characters and invisible ones become escapes. Pure.

All text from a model, a tool, a file or a log is untrusted.
"""

import json
import re
import shlex
import unicodedata
from collections.abc import Iterable

_CONTROLS = r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
_HIDDEN = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_BREAKS = str.maketrans({"\n": "\\n", "\t": "\\t", "\r": "\\r"})
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
_OBEYED = re.compile(_CONTROLS)
_UNSEEN = re.compile(f"{_CONTROLS}|{_HIDDEN}|[{_JOINERS}]")


def make_visible(text: str, before: str = "") -> str:
    """The text for a terminal: of all control characters only newlines and tabs keep their effect.

    For a text that comes in pieces, `before` is the last character of the piece before.
    """
    whole = before + text

    def shown(found: re.Match[str]) -> str:
        kept = found.start() < len(before) or _joins(whole, found.start())
        return found[0] if kept else _escape(found[0])

    return _UNSEEN.sub(shown, whole)[len(before) :]


def visible_word(text: str) -> str:
    """All of the text, on one safe line: line breaks and tabs too are shown as escapes."""
    return make_visible(text).translate(_BREAKS)


def visible_command(words: Iterable[str]) -> str:
    """A command line to copy, on one safe line; a shell reads the words that were given from it.

    A word with control or invisible characters stands in $'…', which bash, zsh and ksh know.
    """
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    if visible_word(word) == word:
        return shlex.quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible_word(plain)}'"


def visible_block(text: str, indent: str = "", width: int | None = None) -> str:
    """All of the text, safe, and of several lines each behind a bar that the text can't fake.

    A line that is wider than a terminal of this width counts as several: the terminal itself would
    break it without a bar.
    """
    lines = make_visible(text).replace("\r\n", "\n").split("\n")
    if width is not None:
        room = max(width - len(indent) - 2, 8)
        if len(lines) > 1 or count_cells(lines[0]) > room + 2:
            lines = [part for line in lines for part in _break(line, room)]
    if len(lines) == 1:
        return f"{indent}{lines[0]}"
    return "\n".join(f"{indent}│ {line}" for line in lines)


def count_cells(text: str) -> int:
    """How many columns of a terminal the text takes; a tab counts as eight."""
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if char == "\t":
        return 8
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _break(line: str, room: int) -> list[str]:
    """The line in parts that take at most so many columns."""
    parts, start, used = [], 0, 0
    for at, char in enumerate(line):
        if used + _cells(char) > room:
            parts.append(line[start:at])
            start, used = at, 0
        used += _cells(char)
    return [*parts, line[start:]]


def strip_hidden(text: str) -> str:
    """The text without control characters, but newlines and tabs, and without invisible ones."""
    return _UNSEEN.sub(lambda found: found[0] if _joins(text, found.start()) else "", text)


def escape_controls(text: str) -> str:
    """The text for a file or a pipe: control characters as escapes, the rest unchanged."""
    return _OBEYED.sub(lambda found: _escape(found[0]), text)


def make_json_visible(text: str) -> str:
    """The same JSON with control characters and invisible ones as JSON escapes."""
    return _UNSEEN.sub(
        lambda found: found[0] if _joins(text, found.start()) else json.dumps(found[0])[1:-1], text
    )


def _joins(text: str, at: int) -> bool:
    """Whether the character is a joiner or variation selector that belongs to a word or an emoji.

    One of them is text after a character that it can change, as in Persian, Hindi or a heart. A row
    of them, or one between ASCII letters, hides something.
    """
    char, last = text[at], text[at - 1 : at]
    if char not in _JOINERS:
        return False
    if char in "\ufe0e\ufe0f":
        return bool(last) and last not in _JOINERS
    return last == "\ufe0f" or (last > "\x7f" and last not in _JOINERS)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, most: int) -> str:
    """The text, or so many characters of a longer one."""
    return text if len(text) <= most else f"{text[:most]}…"


def visible_line(text: str, width: int) -> str:
    """The text as one safe line of at most about `width` characters."""
    line = " ".join(text[: width * 8].split())
    return make_visible(line if len(line) <= width else line[: width - 1] + "…")
