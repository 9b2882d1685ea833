"""Reads the chat template of a GGUF file, without loading the model.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (read 2026-11).
"""

import struct
from pathlib import Path
from typing import BinaryIO

_TEMPLATES = ("tokenizer.chat_template", "tokenizer.chat_template.tool_use")
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by the number of its type."""
_STRING = 8
_ARRAY = 9
_MAX_TEXT_BYTES = 10_000_000
_MAX_FIELDS = 100_000


def read_chat_template(path: Path) -> str:
    """The templates that the file brings, one after the other; "" if there are none.

    "" too for a file that can't be read so far: whether it is a model is for llama.cpp to say.
    """
    found = []
    try:
        with path.open("rb") as file:
            magic, version = struct.unpack("<4sI", file.read(8))
            if magic != b"GGUF" or version < 2:  # the first version had other sizes
                return ""
            _, count = struct.unpack("<QQ", file.read(16))
            for _ in range(min(count, _MAX_FIELDS)):
                key = _read_text(file)
                (kind,) = struct.unpack("<I", file.read(4))
                if key in _TEMPLATES and kind == _STRING:
                    found.append(_read_text(file))
                else:
                    _skip(file, kind)
    except (OSError, ValueError, OverflowError, RecursionError, struct.error):
        return "\n".join(found)
    return "\n".join(found)


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
