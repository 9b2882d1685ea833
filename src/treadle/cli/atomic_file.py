"""Writes files atomically, readable by their owner only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..core.errors import UsageError


def require_writable(file: Path) -> None:
    """Raises UsageError if the file can't be written, before a command does its work."""
    special = file.exists() and not file.is_file()
    if file.is_dir() or not (special or os.access(file.absolute().parent, os.W_OK | os.X_OK)):
        raise UsageError(
            f"{file} can't be written: it must be a file in a folder that you may write to"
        )


@contextmanager
def write_atomically(file: Path) -> Iterator[BinaryIO]:
    """A file to write to, which replaces `file` at the end unless an error was raised.

    Raises UsageError.

    A pipe or a device, such as /dev/null, is written to directly.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        if file.exists() and not file.is_file():
            with open(file, "wb") as out:
                yield out
            return
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            yield out
        partial.replace(file)
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
