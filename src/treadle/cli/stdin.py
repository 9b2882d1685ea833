"""What comes on standard input: the question itself, or the text that it is about."""

import os
import stat
import sys

from ..core.errors import UsageError

MAX_BYTES = 1_000_000
"""About 250,000 tokens: more than most models take."""


def read_question(words: list[str]) -> str:
    """The message that these words and standard input make; "" where there is nothing to ask.

    Raises UsageError for input that is too large or no text.
    """
    question = " ".join(words).strip()
    if question == "-":
        return decode_input(_read()).strip()
    piped = decode_input(_read()) if _is_fed() else ""
    if not piped.strip():
        return question
    return f"{question}\n\n{label_input(piped)}" if question else piped.strip()


def label_input(text: str) -> str:
    """Text that a question is about, told apart from it."""
    return f"The text on standard input:\n<stdin>\n{text.rstrip()}\n</stdin>"


def decode_input(data: bytes) -> str:
    """The text that the bytes are, UTF-8. Raises UsageError."""
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"standard input holds more than {MAX_BYTES:,} bytes; give a part of it, or let the agent read the file"
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


def _is_fed() -> bool:
    """Whether something was put there: a pipe or a file, no terminal and no empty device."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return False
    try:
        kind = os.fstat(sys.stdin.fileno()).st_mode
    except OSError:  # no file at all: a program's own stand-in
        return True
    return stat.S_ISFIFO(kind) or stat.S_ISREG(kind) or stat.S_ISSOCK(kind)


def _read() -> bytes:
    return sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
