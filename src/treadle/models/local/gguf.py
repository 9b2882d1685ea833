"""Reads the chat template and the control tokens of a GGUF file, without loading the model.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (read 2026-11).
"""

import struct
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_TEMPLATES = ("tokenizer.chat_template", "tokenizer.chat_template.tool_use")
_TOKENS = "tokenizer.ggml.tokens"
_TOKEN_TYPES = "tokenizer.ggml.token_type"  # noqa: S105  # the name of a field
_CONTROL = 3
"""The type of a token that no text becomes."""
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by the number of its type."""
_STRING = 8
_ARRAY = 9
_MAX_TEXT_BYTES = 10_000_000
_MAX_FIELDS = 100_000
_MAX_TOKENS = 10_000_000


def read_chat_template(path: Path) -> str:
    """The templates that the file brings, one after the other; "" if there are none.

    "" too for a file that can't be read so far: whether it is a model is for llama.cpp to say.
    """
    found: list[str] = []

    def take(key: str, kind: int, file: BinaryIO) -> bool:
        if key in _TEMPLATES and kind == _STRING:
            found.append(_read_text(file))
        else:
            _skip(file, kind)
        return False

    _read_fields(path, take)
    return "\n".join(found)


def read_control_tokens(path: Path) -> list[str]:
    """The tokens that the template alone may write, such as the mark of a message's end; none where
    the file can't be read up to them."""
    tokens: list[str] = []
    kinds: list[int] = []

    def take(key: str, kind: int, file: BinaryIO) -> bool:
        if kind != _ARRAY or key not in (_TOKENS, _TOKEN_TYPES):
            _skip(file, kind)
            return False
        _, count = struct.unpack("<IQ", file.read(12))
        if key == _TOKENS:
            tokens.extend(_read_text(file) for _ in range(count))
        else:
            kinds.extend(array("i", file.read(4 * min(count, _MAX_TOKENS))))
        return bool(kinds)

    _read_fields(path, take)
    named = zip(tokens, kinds, strict=False)
    return [token for token, kind in named if kind == _CONTROL and len(token) > 1]


def _read_fields(path: Path, take: Callable[[str, int, BinaryIO], bool]) -> None:
    """Call `take` for each field, with its name, its type and the file at the place of its value.

    It reads or skips that value, and returns True where no later field is wanted. What can't be
    read ends it, without an error.
    """
    try:
        with path.open("rb") as file:
            magic, version = struct.unpack("<4sI", file.read(8))
            if magic != b"GGUF" or version < 2:  # the first version had other sizes
                return
            _, count = struct.unpack("<QQ", file.read(16))
            for _ in range(min(count, _MAX_FIELDS)):
                key = _read_text(file)
                (kind,) = struct.unpack("<I", file.read(4))
                if take(key, kind, file):
                    return
    except (OSError, ValueError, OverflowError, RecursionError, struct.error):
        return


def _read_text(file: BinaryIO) -> str:
    (size,) = struct.unpack("<Q", file.read(8))
    if size > _MAX_TEXT_BYTES:
        raise ValueError("no text is as long as this")
    return file.read(size).decode("utf8", "replace")


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _read_text(file)
    elif kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in _SIZES:
            file.seek(_SIZES[inner] * count, 1)
            return
        for _ in range(count):
            _skip(file, inner)
    elif kind in _SIZES:
        file.seek(_SIZES[kind], 1)
    else:
        raise ValueError("there is no such type")
