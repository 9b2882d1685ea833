"""What a folder asks of agents that work in it: its AGENTS.md files. Reads them, obeys nothing, looks nowhere else.

1. From the repository's root (where .git is) down to the folder, the nearest last. Without a repository the folder's
   own alone: whoever may write above it need not be its owner.
2. The nearest have the room first; what there is no room for is left out, and said.
3. Text alone, of regular files. A link is followed within the repository; one that leads out of it is not.
4. As git does with a repository, only files whose owner is trusted, and the owner of the folder too: the user, root, or
   an owner named in TREADLE_TRUSTED_OWNERS (names or numbers with commas between; * is everybody).
5. A file can't end its own part of the prompt, and has no characters that a person can't see.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ToolError, UsageError
from ..observe.visible import strip_hidden, visible_line

FILE = "AGENTS.md"
MAX_BYTES = 32 * 1024
"""Of all files together."""
_TAG = re.compile(r"<[\s/]*instructions\b[^<>]*>?", re.I)
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
    cut: tuple[str, ...] = ()
    """What was left out, for want of room or because nobody can see it: a phrase each."""
    unread: tuple[str, ...] = ()
    """What won't do, and why: a phrase each."""


def project_instructions(folder: str | os.PathLike[str] | None = None) -> str:
    """The instructions in the AGENTS.md files of a folder (None: the working directory); "" where there are none.

    At most 32 KiB; a longer file is cut, with a notice in it. Raises UsageError where one can't be read.
    """
    project = read_instructions(folder)
    if project.unread:
        raise UsageError("; ".join(project.unread))
    return project.text


def read_instructions(
    folder: str | os.PathLike[str] | None = None, max_bytes: int = MAX_BYTES
) -> Project:
    """The instructions of a folder and those above it in its repository. Raises nothing for files that won't do."""
    try:
        here = Path(folder or ".").resolve()
    except FileNotFoundError:  # the working directory is gone
        return Project()
    root = _root(here)
    found: list[tuple[str, str]] = []
    cut: list[str] = []
    unread: list[str] = []
    room = max_bytes
    for path in _files(here, root):
        name = path.relative_to(root).as_posix()
        try:
            text, size, read = _read(path, here, root, room)
        except _Unread as error:
            unread.append(f"{name} {error}")
            continue
        room -= read
        if read < size:
            cut.append(f"{name} is cut at {read:,} of its {size:,} bytes")
            text += f"\n[cut at {read:,} of {size:,} bytes]"
        text, hidden = _without_tags(text)
        if hidden:
            cut.append(f"{name} is read without {hidden} invisible or control characters")
        if read and text:
            found.append((name, text))
    found.reverse()
    parts = [
        f'<instructions from="{_attribute(name)}">\n{text}\n</instructions>' for name, text in found
    ]
    whole = "\n\n".join([_HEAD, *parts]) if parts else ""
    return Project(whole, tuple(name for name, _ in found), tuple(cut), tuple(unread))


class _Unread(Exception):
    """Why a file won't do."""


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


def _read(path: Path, here: Path, root: Path, room: int) -> tuple[str, int, int]:
    """The text that there is room for, the file's size, and how many bytes of it that is. Raises _Unread."""
    from ..tools.inside import open_inside, resolve_inside

    name = str(path.relative_to(root))
    for each in (path.lstat(), path.parent.stat()):
        _require_trusted(each.st_uid)
    try:
        resolve_inside(root, name)
    except ToolError:
        raise _Unread("is a link out of the project, so it is not read") from None
    try:
        with os.fdopen(open_inside(root, name), "rb") as file:
            status = os.fstat(file.fileno())
            _require_trusted(status.st_uid)
            size, data = status.st_size, file.read(room)
    except (ToolError, OSError):
        raise _Unread("is no file that can be read") from None
    try:
        text = data.decode(
            "utf-8-sig", "ignore" if size > len(data) else "strict"
        )  # a cut may fall within a letter
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _Unread("is not text in UTF-8, so it is not read")
    return text.strip(), size, len(data)


def _require_trusted(owner: int) -> None:
    """Raises _Unread unless this user's instructions are obeyed."""
    if not hasattr(os, "getuid"):
        return
    trusted = {os.getuid(), 0}
    if os.getuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        trusted.add(int(os.environ["SUDO_UID"]))
    named = {each.strip() for each in os.environ.get("TREADLE_TRUSTED_OWNERS", "").split(",")}
    name = _user_name(owner)
    if owner in trusted or named & {"*", name, str(owner)}:
        return
    raise _Unread(
        f"or its folder belongs to another user, so it is not read; to trust that user, set"
        f" TREADLE_TRUSTED_OWNERS={name}"
    )


def _user_name(owner: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def _without_tags(text: str) -> tuple[str, int]:
    """The text without hidden characters and tags of the prompt's own, and how many were hidden."""
    seen = strip_hidden(text)
    hidden = len(text) - len(seen)
    while (shorter := _TAG.sub("", seen)) != seen:  # what is left may be a tag again
        seen = shorter
    return seen, hidden


def _attribute(name: str) -> str:
    return visible_line(name, 200).translate(str.maketrans('"<>', "'()"))
