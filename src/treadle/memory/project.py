"""What a folder asks of agents that work in it: its AGENTS.md files. Reads them, obeys nothing, looks nowhere else.

1. From the repository's root (where .git is) down to the folder, the nearest last. Without a repository the folder's
   own alone: whoever may write above it need not be its owner.
2. The nearest have the room first; what there is no room for is left out, and said.
3. Text alone, of regular files. A link is followed within the repository; one that leads out of it is not.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ToolError, UsageError

FILE = "AGENTS.md"
MAX_BYTES = 32 * 1024
"""Of all files together."""
_HEAD = (
    "The user's project has instructions of its own, from its outermost folder to the nearest; where they differ, the"
    " last holds."
)


@dataclass(frozen=True)
class Project:
    """The instructions of a folder."""

    text: str = ""
    """As a system prompt holds them; "" where there are none."""
    files: tuple[str, ...] = ()
    """Which are in it, from the repository's root, outermost first."""
    left_out: tuple[str, ...] = ()
    """What is not in it, or not whole, and why: a phrase each."""


def project_instructions(folder: str | os.PathLike[str] | None = None) -> str:
    """The instructions in the AGENTS.md files of a folder (None: the working directory); "" where there are none.

    At most 32 KiB; a longer file is cut, with a notice in it. Raises UsageError where one can't be read.
    """
    project = project_of(folder)
    unread = [phrase for phrase in project.left_out if " is cut " not in phrase]
    if unread:
        raise UsageError("; ".join(unread))
    return project.text


def project_of(folder: str | os.PathLike[str] | None = None, max_bytes: int = MAX_BYTES) -> Project:
    """The instructions of a folder and those above it in its repository. Raises nothing for files that won't do."""
    try:
        here = Path(folder or ".").resolve()
    except FileNotFoundError:  # the working directory is gone
        return Project()
    root = _root(here)
    found: list[tuple[str, str]] = []
    left_out: list[str] = []
    for path in _files(here, root):
        name = path.relative_to(root).as_posix()
        room = max(0, max_bytes - sum(len(text.encode()) for _, text in found))
        text = _text(root, name, room, left_out) if _trusted(path, here, name, left_out) else ""
        if text:
            found.append((name, text))
    found.reverse()
    parts = [f'<instructions from="{name}">\n{text}\n</instructions>' for name, text in found]
    whole = "\n\n".join([_HEAD, *parts]) if parts else ""
    return Project(whole, tuple(name for name, _ in found), tuple(left_out))


def _root(here: Path) -> Path:
    """The folder with .git that this one is in (in a worktree that is a file), or itself."""
    return next((each for each in (here, *here.parents) if os.path.exists(each / ".git")), here)


def _files(here: Path, root: Path) -> Iterator[Path]:
    """Those that are there, the nearest first; links that lead nowhere too."""
    for each in (here, *here.parents):
        path = each / FILE
        if os.path.lexists(path):
            yield path
        if each == root:
            return


def _trusted(path: Path, here: Path, name: str, left_out: list[str]) -> bool:
    """The folder's own; and one above it if it is the user's, the system's, or of who owns the folder."""
    if path.parent == here or not hasattr(os, "getuid"):
        return True
    owner = path.lstat().st_uid
    if owner in (os.getuid(), 0, here.stat().st_uid):
        return True
    left_out.append(f"{name} belongs to another user ({owner}), so it is not read")
    return False


def _text(root: Path, name: str, room: int, left_out: list[str]) -> str:
    from ..tools.inside import open_inside, parts_inside

    try:
        parts_inside(root, name)
    except ToolError:
        left_out.append(f"{name} is a link out of the project, so it is not read")
        return ""
    try:
        with os.fdopen(open_inside(root, name), "rb") as file:
            size, data = os.fstat(file.fileno()).st_size, file.read(room)
    except (ToolError, OSError):
        left_out.append(f"{name} is no file that can be read")
        return ""
    if size and not data:
        left_out.append(f"there is no room for {name} ({size:,} bytes)")
        return ""
    try:
        text = data.decode("utf-8-sig", "ignore" if size > len(data) else "strict")  # a cut may fall within a letter
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        left_out.append(f"{name} is not text in UTF-8, so it is not read")
        return ""
    if size > len(data):
        left_out.append(f"{name} is cut at {len(data):,} of its {size:,} bytes")
        text += f"\n[cut at {len(data):,} of {size:,} bytes]"
    return text.strip()
