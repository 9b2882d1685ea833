"""Whether a project's own files speak to the agent: its AGENTS.md and its skills.

1. A project is a repository (the folder with .git), or else the working directory. The user says
   once whether its files are followed; a file in the user's configuration keeps that. Until then
   nothing of them is read.
2. As with git's safe.directory, a file is read only if its owner and its folder's owner are
   trusted: the user, root, or an owner named in TREADLE_TRUSTED_OWNERS (names or numbers with
   commas between; * is everybody), and if not everybody can write to it.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..core.errors import UsageError
from ..core.visible import visible_line, visible_word
from ..this_user import NoHome, read_private, user_folder, write_private

PATH_VARIABLE = "TREADLE_TRUSTED_PROJECTS"


class Unread(Exception):
    """Why a file was not read."""


def find_here() -> Path:
    """The working directory. Raises UsageError where it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working directory was deleted; change to another one") from None


def find_root(here: Path) -> Path:
    """The nearest folder with .git (a file in a worktree), or else the folder itself."""
    for folder in (here, *here.parents):
        if os.path.exists(folder / ".git"):
            return folder
    return here


def is_trusted(root: Path) -> bool:
    """Whether the user has said that the files of this project are followed."""
    return _read_said().get(str(root.resolve()), False)


def ask_once(root: Path, files: Sequence[str], interactive: bool) -> None:
    """Ask whether these files of a project are followed, where nobody has said that yet."""
    if not files or str(root.resolve()) in _read_said():
        return
    from .terminal import Screen, is_interactive

    if not (interactive and is_interactive()):
        return
    screen = Screen()
    screen.note(f"the project {visible_line(str(root), 300)} would tell the agent what to do:")
    for name in files:
        screen.note(f"  {visible_line(name, 200)}")
    said = screen.read_line("Follow these files, now and from now on? [y/N] ")
    if said:  # else the terminal has gone, and nobody has said anything
        keep(root, said.strip().lower() in ("y", "yes"))


def why_unread(root: Path, files: Sequence[str]) -> str:
    """The phrase that says why these files are not followed; "" where the user has decided."""
    if not files or str(root.resolve()) in _read_said():
        return ""
    named = ", ".join(visible_word(name) for name in files)
    return f"not followed, as you haven't said that you trust this project (treadle trust): {named}"


def keep(root: Path, trusted: bool | None) -> None:
    """Keep what the user has said; None forgets it. Raises UsageError where it can't be written."""
    said = _read_said()
    said.pop(str(root.resolve()), None)
    if trusted is not None:
        said[str(root.resolve())] = trusted
    write_private(_path(), msgspec.json.format(msgspec.json.encode(said, order="sorted")))


def _path() -> Path:
    """TREADLE_TRUSTED_PROJECTS, or a file in the user's configuration folder."""
    if given := os.environ.get(PATH_VARIABLE):
        return Path(given)
    return user_folder("config", f"{PATH_VARIABLE} to a path") / "trusted-projects.json"


def _read_said() -> dict[str, bool]:
    try:
        return read_private(_path(), dict[str, bool], "says what projects you trust")
    except NoHome:
        return {}


def require_owner(owner: int) -> None:
    """Raises Unread unless this user's instructions are obeyed."""
    if not hasattr(os, "getuid"):
        return
    trusted = {os.getuid(), 0}
    if os.getuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        trusted.add(int(os.environ["SUDO_UID"]))
    name = _user_name(owner)
    if owner in trusted or _named_owners() & {"*", name, str(owner)}:
        return
    raise Unread(
        f"or its folder belongs to another user, so it is not read; to trust that user, set"
        f" TREADLE_TRUSTED_OWNERS={name}"
    )


def require_closed(mode: int, what: str) -> None:
    """Raises Unread if everybody may write to the file, or put another into its folder."""
    writable = mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)
    if os.name == "posix" and writable and "*" not in _named_owners():
        raise Unread(
            f"is not read: {what} can be written by every user of this machine; chmod o-w, or set"
            " TREADLE_TRUSTED_OWNERS=* to trust all of them"
        )


def _named_owners() -> set[str]:
    return {each.strip() for each in os.environ.get("TREADLE_TRUSTED_OWNERS", "").split(",")}


def _user_name(owner: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)
