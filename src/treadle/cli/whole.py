"""A file that is there whole or not at all, and readable by its owner alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """What is written to it takes the file's place at the end, unless something was raised. Raises UsageError."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            yield out
        partial.replace(file)
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
