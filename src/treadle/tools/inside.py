"""Opens files inside one folder only, whatever path a model writes. POSIX only: it needs openat().

1. A path is first resolved, with its links, and must be in the folder. So links inside it may be
   followed.
2. Then it is opened one name at a time from the folder's descriptor, without following links. A
   resolved path has no links, so a link that is found now was put there in between, and is refused.
   Nothing is looked up twice by name.
3. Only regular files are read and written, as the open descriptor tells. Opening never waits, as it
   would for a pipe.

It doesn't keep out hard links, and mounts within the folder; only the folder's owner can make
those.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex

from ..core.errors import ToolError

Root = str | os.PathLike[str]

_FOLDER = "the folder these tools work in"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFLNK: "a link",
}


@dataclass(frozen=True)
class Entry:
    """A file or folder that `walk_inside` finds."""

    path: str
    """Relative to the root, with / between names."""
    is_folder: bool
    size_bytes: int


def resolve_inside(root: Root, path: str) -> list[str]:
    """The names from the root to `path`, with links resolved. Raises ToolError if it is outside."""
    try:
        folder = os.path.realpath(root)
        real = os.path.realpath(os.path.join(folder, path))
        os.fsencode(real)
    except (ValueError, OSError) as error:
        raise ToolError(f"{_quote(path)} is no path: {error}") from None
    inner = os.path.relpath(real, folder).split(os.sep)
    if inner[0] == os.pardir:
        raise ToolError(
            f"{_quote(path)} is outside {_FOLDER}; give a path in it, such as notes.txt. list_files"
            " shows what there is"
        )
    if inner == [os.curdir]:
        return []
    return inner


def open_inside(root: Root, path: str) -> int:
    """A descriptor for reading the regular file at `path`; the caller closes it.

    Raises ToolError for anything else.
    """
    parts = resolve_inside(root, path)
    if not parts:
        raise ToolError(f"{_quote(path)} is a folder, not a file; list_files shows what is in it")
    with _hold_folder(root, parts[:-1], path) as folder, _as_tool_errors(path):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = os.open(parts[-1], flags, dir_fd=folder)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind == stat.S_IFREG:
        return descriptor
    os.close(descriptor)
    raise _not_a_file(path, kind)


def replace_inside(root: Root, path: str, content: bytes) -> int | None:
    """Write a file atomically, and make missing folders. Returns the old size; None for a new file.

    Readers see the old content or the new one, also after a crash. A file keeps its permissions; a
    read-only file is refused.
    """
    parts = resolve_inside(root, path)
    if not parts or path.endswith("/"):
        raise ToolError(f"{_quote(path)} is a folder; add the name of the file to write")
    if ".git" in map(str.casefold, parts):
        raise ToolError(
            f"{_quote(path)} is git's own; git may run what is in there, so it is not written"
        )
    with _hold_folder(root, parts[:-1], path, make=True) as folder, _as_tool_errors(path):
        old = _status(parts[-1], folder)
        if old and not stat.S_ISREG(old.st_mode):
            raise _not_a_file(path, stat.S_IFMT(old.st_mode))
        if old and not old.st_mode & 0o222:
            raise ToolError(f"{_quote(path)} is read-only; write to another file")
        new = f".{token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o666, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if old:
                    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
                os.fsync(descriptor)
            os.replace(new, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise
        os.fsync(folder)
    if old:
        return old.st_size
    return None


def walk_inside(
    root: Root, path: str, *, deep: bool, hidden: bool, skipped: frozenset[str]
) -> Iterator[Entry]:
    """The entries of the folder at `path`, by name; if `deep`, also of its folders, level by level.

    Links to files inside the root are included, links to folders and special files aren't. Names
    that start with a full stop are included only if `hidden`. Folders named in `skipped` are given
    but not entered.
    """
    start = resolve_inside(root, path)
    waiting = deque([start])
    while waiting:
        parts = waiting.popleft()
        try:
            folder = _open_folder(root, parts, path)
        except ToolError:
            if parts is start:
                raise
            continue  # not readable, or removed meanwhile; the others still count
        try:
            for name in sorted(os.listdir(folder)):
                if hidden or not name.startswith("."):
                    entry = _make_entry(root, [*parts, name], folder)
                    if entry:
                        yield entry
                    if deep and entry and entry.is_folder and name not in skipped:
                        waiting.append([*parts, name])
        finally:
            os.close(folder)


def _make_entry(root: Root, parts: list[str], folder: int) -> Entry | None:
    status = _status(parts[-1], folder)
    path = "/".join(parts)
    if status and stat.S_ISDIR(status.st_mode):
        return Entry(path, True, 0)
    if status and stat.S_ISREG(status.st_mode):
        return Entry(path, False, status.st_size)
    if status and stat.S_ISLNK(status.st_mode) and (size := _linked_size(root, path)) is not None:
        return Entry(path, False, size)
    return None


@contextmanager
def _hold_folder(root: Root, parts: list[str], path: str, *, make: bool = False) -> Iterator[int]:
    descriptor = _open_folder(root, parts, path, make=make)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_folder(root: Root, parts: list[str], path: str, *, make: bool = False) -> int:
    """A descriptor of the folder, opened from the root without following links.

    The caller closes it.
    """
    if os.open not in os.supports_dir_fd:
        raise ToolError(
            "files can't be opened safely on this operating system; no tool for files works here"
        )
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        here = os.open(os.path.realpath(root), flags)
    except OSError as error:
        raise ToolError(
            f"{_FOLDER} can't be opened: {error.strerror}. Nothing can be done with files"
        ) from None
    for name in parts:
        parent = here
        try:
            with _as_tool_errors(path):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=parent)
                here = os.open(name, flags, dir_fd=parent)
        finally:
            os.close(parent)
    return here


@contextmanager
def _as_tool_errors(path: str) -> Iterator[None]:
    """Turns the operating system's errors into ToolErrors, in words for the model."""
    try:
        yield
    except FileNotFoundError:
        raise ToolError(f"there is no {_quote(path)}; list_files shows what there is") from None
    except NotADirectoryError:
        raise ToolError(
            f"{_quote(path)}: that, or a name on the way to it, is no folder;"
            " list_files shows what there is"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ELOOP, errno.EMLINK):
            reason = "a link leads nowhere or changed just now"
        raise ToolError(f"{_quote(path)} can't be used: {reason}") from None


def _status(name: str, folder: int) -> os.stat_result | None:
    """None if there is no such name."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _linked_size(root: Root, path: str) -> int | None:
    try:
        descriptor = open_inside(root, path)
    except ToolError:
        return None
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _not_a_file(path: str, kind: int) -> ToolError:
    hint = "; only plain files can be used"
    if kind == stat.S_IFDIR:
        hint = "; list_files shows what is in it"
    return ToolError(f"{_quote(path)} is {_KINDS.get(kind, 'something special')}, not a file{hint}")


def _quote(path: str) -> str:
    if len(path) > 200:
        path = f"{path[:200]}..."
    return repr(path)
