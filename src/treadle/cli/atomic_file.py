"""A file that is there whole or not at all, and readable by its owner alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..core.errors import UsageError


def require_writable(file: Path) -> None:
    """Raises UsageError, as `whole_file` would, for a folder that takes no files: so that nothing is done in vain."""
    special = file.exists() and not file.is_file()
    if file.is_dir() or not (special or os.access(file.absolute().parent, os.W_OK | os.X_OK)):
        raise UsageError(
            f"{file} can't be written: it must be a file in a folder that you may write to"
        )


@contextmanager
def write_atomically(file: Path) -> Iterator[BinaryIO]:
    """What is written to it takes the file's place at the end, unless something was raised. Raises UsageError.

    What is no file, such as a pipe or /dev/null, is written to as it is.
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
