"""The user who runs this process: their name, folders and files, and paths that begin with `~`.

A container often runs as a user id that has neither a name nor a home directory.
"""

import getpass
import os
import secrets
from pathlib import Path
from typing import Literal, TypeVar

from .core.errors import UsageError


class NoHome(UsageError):
    """The user of this process has no home directory, and no variable says what stands for it."""


T = TypeVar("T")
Kind = Literal["data", "cache", "config", "state"]
_HOMELESS = "the user of this process has no home directory"


def current_user() -> str:
    """The login name, for logs: who decided."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"


def user_folder(kind: Kind, setting: str) -> Path:
    """Where the operating system has a user's data, caches, configuration or state of Treadle.

    Raises NoHome, which names the setting that says it instead.
    """
    import platformdirs

    find = {
        "data": platformdirs.user_data_dir,
        "cache": platformdirs.user_cache_dir,
        "config": platformdirs.user_config_dir,
        "state": platformdirs.user_state_dir,
    }
    try:
        return Path(find[kind]("treadle", appauthor=False))
    except RuntimeError:
        raise NoHome(f"{_HOMELESS}; set {setting}, or HOME") from None


def expand_home(path: str | os.PathLike[str]) -> Path:
    """The path, with a home directory in the place of `~` or `~name` at its beginning.

    Raises NoHome where that isn't known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        who = _HOMELESS if user == "~" else f"{user} names no user with a home directory"
        raise NoHome(f"{os.fspath(path)!r}: {who}; give the whole path, or set HOME") from None


def read_private(path: Path, kind: type[T], what: str) -> T:
    """The JSON that `write_private` has written; an empty value of this kind where there is none.

    Raises UsageError, which says what the file is for.
    """
    import msgspec

    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return kind()
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path}, which {what}, can't be read: {error}") from None


def write_private(path: Path, content: bytes) -> None:
    """Replace the file, as a whole, by one that only its owner may read (0600)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        new.replace(path)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error}") from None
