"""Reads standard input: the question itself, or a text that the question is about."""

import os
import stat
import sys

from ..core.errors import UsageError

MAX_BYTES = 1_000_000
"""About 250,000 tokens: more than most models take."""


def read_question(words: list[str]) -> str:
    """The message made of these words and standard input; "" if both are empty.

    Raises UsageError for input that is too large or not text.
    """
    question = " ".join(words).strip()
    if question == "-":
        return decode_input(_read()).strip()
    piped = ""
    if _has_input():
        piped = decode_input(_read())
    if not piped.strip():
        return question
    if not question:
        return piped.strip()
    return f"{question}\n\n{label_input(piped)}"


def label_input(text: str) -> str:
    """The text that a question is about, in tags that separate it from the question."""
    return f"The text on standard input:\n<stdin>\n{text.rstrip()}\n</stdin>"


def decode_input(data: bytes) -> str:
    """The bytes as text in UTF-8. Raises UsageError."""
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"standard input holds more than {MAX_BYTES:,} bytes; give a part of it,"
            " or let the agent read the file"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {data[error.start]:#04x} at {error.start:,}"
        raise UsageError(f"standard input is not text in UTF-8 ({at}); give text") from None
    if "\0" in text:
        raise UsageError(
            f"standard input is not text (a zero byte at {data.index(0):,}); give text"
        )
    return text


def _has_input() -> bool:
    """Whether standard input is a pipe, a file or a socket; not a terminal or another device."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return False
    try:
        kind = os.fstat(sys.stdin.fileno()).st_mode
    except OSError:  # not a file: an object that a program put in its place
        return True
    return stat.S_ISFIFO(kind) or stat.S_ISREG(kind) or stat.S_ISSOCK(kind)


def _read() -> bytes:
    if not sys.stdin:
        return b""
    return sys.stdin.buffer.read(MAX_BYTES + 1)
