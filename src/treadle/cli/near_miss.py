"""Tells words that look like a command from a question: a mistyped command must not be billed.

One or two words are looked at (three of a command that takes three). More words, a word with a
space in it, and words that end with a question mark are a question. Imports nothing slow.
"""

import difflib
import re
import shlex
from collections.abc import Collection, Sequence

from ..core.visible import make_visible

ALIKE = 0.85
"""How alike a word must be to a long name, as difflib counts: 1 is the same."""
LONG = 7
"""Letters of a long name."""

_WORDS = {
    'treadle "question"': "ask",
    "treadle": "chat",
    "treadle -c": "continue",
    "treadle --install-completion": "completion completions",
    "treadle explain last": "status",
    "treadle threads": "conversations history list ls sessions status",
    "treadle show last": "history log logs",
    "treadle export-traces last": "trace traces",
    "treadle tools": "list",
    "treadle models": "auth keys list",
    "treadle costs": "usage",
    "treadle help": "commands usage",
    "treadle db check": "check",
    "treadle models check": "check",
    "treadle models pull": "pull",
    "treadle db export": "backup export",
    "treadle db import": "import",
    "treadle db restore": "restore",
    "treadle db vacuum": "vacuum",
}
"""By command, the words of other programs and of groups by which it may be meant."""
_OTHERS = (
    *("config", "exit", "info", "install", "login", "logout", "quit"),
    *("remove", "rm", "run", "search", "serve", "start", "stop", "test", "undo"),
    *("update", "upgrade"),
)
"""Commands of other programs that have no counterpart here."""
_AGENT = re.compile(r".+\.py(:\w+)?")
"""The place of an agent in a file."""
_QUESTIONS = ("summarise", "summarize")
"""Words that are near a command's name, but that people say to a model about a text in a pipe."""
_THREE_WORDS = ("answer", "approve", "diff", "settle", "steer")
"""The commands that take two words beside their name."""


def find_near_miss(
    words: Sequence[str], commands: Collection[str], before: Sequence[str] = ()
) -> str:
    """What to say, instead of asking a model, of words that look like a command; "" of a question.

    `words` begin with the first that is no option; `before` are the options that precede them.
    """
    leading = _leading(words)
    if not leading or any(" " in word or word.endswith("?") for word in leading):
        return ""
    meant = _find_meant(leading, commands)
    if not meant:
        return ""
    question = make_visible(shlex.join(["treadle", *before, "--", *words]))
    return (
        f"{make_visible(leading[0])!r} looks like a command; was this meant?"
        f" {make_visible(' or '.join(meant))}. As a question: {question}"
    )


def _leading(words: Sequence[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        if word[:1] == "-" and word != "-":
            break
        found.append(word)
    return found


def _find_meant(words: Sequence[str], commands: Collection[str]) -> list[str]:
    first = words[0].casefold()
    rest = list(words[1:])
    if first in _QUESTIONS or len(words) > 3:
        return []
    if first in commands and first != words[0]:  # Show, SHOW
        return [shlex.join(["treadle", first, *rest])]
    if first == "help" and len(words) < 3:
        word = "".join(rest)
        meant = [name for name in commands if name == word or _is_slip(word, name)]
        return [f"treadle help {name}" for name in meant] or ["treadle help"]
    if first == "version" and len(words) < 3:
        return [shlex.join(["treadle", first, *rest])]
    if _AGENT.fullmatch(words[-1]) and (len(words) == 1 or (first == "run" and len(words) == 2)):
        return [shlex.join(["treadle", "--agent", words[-1]])]
    if first in _OTHERS and len(words) == 1:
        return ["treadle help"]
    meant = [command for command, said in _WORDS.items() if first in said.split()]
    if len(words) < 3 and meant:
        return meant
    return [
        shlex.join(["treadle", name, *rest])
        for name in commands
        if _is_slip(first, name) and (len(words) < 3 or name in _THREE_WORDS)
    ]


def _is_slip(word: str, name: str) -> bool:
    """Whether the word is the name with one slip: a letter too many or too few, or swapped ones.

    Another letter in its place counts from five letters on: "four" and "tall" are words.
    """
    if sorted(word) == sorted(name):
        return True
    if len(name) >= LONG and difflib.SequenceMatcher(None, word, name).ratio() >= ALIKE:
        return True
    if len(word) == len(name):
        wrong = sum(one != other for one, other in zip(word, name, strict=True))
        return wrong == 1 and len(name) >= 5
    shorter, longer = sorted((word, name), key=len)
    return len(shorter) >= 2 and shorter in _without_one(longer)


def _without_one(word: str) -> list[str]:
    return [word[:at] + word[at + 1 :] for at in range(len(word))]
