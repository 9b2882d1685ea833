"""Reads the AGENTS.md files of a folder and adds their instructions to Treadle's own agent.

1. They are read from the repository's root (where .git is) down to the folder, the nearest last.
   Outside a repository only the folder's own file is read: others may own the folders above it.
2. The nearest files get the room first. Whatever is cut is reported.
3. Only regular text files are read. A link is followed within the repository, never out of it.
4. trust.py says whose files are read, and in which projects.
5. A file can't end its own part of the prompt, and has no characters that a person can't see.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ToolError, UsageError
from ..core.visible import strip_hidden, visible_line
from .trust import Unread, find_here, find_root, is_trusted, require_closed, require_owner

if TYPE_CHECKING:
    from ..flows.flow import Flow
    from ..runtime.agent import Agent
    from .options import AgentOptions, TurnOptions
    from .terminal import Screen

FILE = "AGENTS.md"
MAX_BYTES = 32 * 1024
"""Of all files together."""
BYTES_PER_TOKEN = 3
"""Most text has more. The instructions should fill at most a quarter of the model's context."""
_TAG = re.compile(r"<(?=[\s/]*instructions\b)", re.I)
"""The beginning of a tag of the prompt's own, closed or not."""
_HEAD = (
    "The user's project has instructions of its own, from its outermost folder to the nearest;"
    " where they differ, the last holds."
)


@dataclass(frozen=True)
class ProjectInstructions:
    """The instructions of a folder."""

    text: str = ""
    """For the system prompt; "" if there are none."""
    files: tuple[str, ...] = ()
    """The files in it, relative to the repository's root, the outermost first."""
    cut: tuple[str, ...] = ()
    """A phrase for each file that was cut, or had characters that nobody can see."""
    unread: tuple[str, ...] = ()
    """A phrase for each file that was not read, with the reason."""


def project_instructions(folder: str | os.PathLike[str] | None = None) -> str:
    """The text of a folder's AGENTS.md files (None: the working directory); "" if there are none.

    At most 32 KiB; a longer file is cut, with a notice in it. Raises UsageError for a file that
    can't be read.
    """
    project = read_instructions(folder)
    if project.unread:
        raise UsageError("; ".join(project.unread))
    return project.text


def add_instructions(agent: "Agent", settings: "AgentOptions") -> "Agent":
    """The agent with the working directory's instructions after its own."""
    text = _instructions_for(agent, settings).text
    if not text:
        return agent
    from ..runtime.instructions import add_instructions as append

    return replace(agent, instructions=append(agent.instructions, text))


def announce_instructions(agent: "Agent | Flow", settings: "TurnOptions", screen: "Screen") -> None:
    """Say which skills and AGENTS.md files were added, cut or left out, unless the output is quiet
    or JSON."""
    from ..flows.flow import Flow
    from .project_skills import announce_skills

    if isinstance(agent, Flow) or settings.quiet or settings.json:
        return
    announce_skills(settings, screen)
    if settings.agent:
        return
    project = _instructions_for(agent, settings)
    if project.files:
        names = ", ".join(visible_line(name, 200) for name in project.files)
        screen.note(f"instructions from {names}", "dim")
    for phrase in (*project.cut, *project.unread):
        screen.note(visible_line(phrase, 300), "yellow")


def read_instructions(
    folder: str | os.PathLike[str] | None = None, max_bytes: int = MAX_BYTES
) -> ProjectInstructions:
    """The instructions of a folder and the folders above it in its repository.

    Bad files raise nothing.
    """
    try:
        here = Path(folder or ".").resolve()
    except FileNotFoundError:  # the working directory was deleted
        return ProjectInstructions()
    root = find_root(here)
    found: list[tuple[str, str]] = []
    cut: list[str] = []
    unread: list[str] = []
    room = max_bytes
    for path in find_files(here, root):
        name = path.relative_to(root).as_posix()
        try:
            text, size, read = _read(path, here, root, room)
        except Unread as error:
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
    parts = []
    for name, text in found:
        parts.append(f'<instructions from="{_attribute(name)}">\n{text}\n</instructions>')
    if parts:
        parts.insert(0, _HEAD)
    return ProjectInstructions(
        text="\n\n".join(parts),
        files=tuple(name for name, _ in found),
        cut=tuple(cut),
        unread=tuple(unread),
    )


def _instructions_for(agent: "Agent", settings: "AgentOptions") -> ProjectInstructions:
    if settings.no_project or not is_trusted(find_root(find_here())):
        return ProjectInstructions()
    project = read_instructions()
    if not project.files:
        return project
    return read_instructions(max_bytes=max_bytes_for(agent))


def max_bytes_for(agent: "Agent") -> int:
    """A quarter of the model's context.

    MAX_BYTES if the model can't be made, which is reported later.
    """
    from ..models.choose import make_models

    try:
        models = make_models(agent.model)
    except UsageError:
        return MAX_BYTES
    context_tokens = min(model.context_tokens for model in models)
    return min(MAX_BYTES, context_tokens // 4 * BYTES_PER_TOKEN)


def find_files(here: Path, root: Path) -> Iterator[Path]:
    """The AGENTS.md files from the folder up to the root, with broken links."""
    for folder in (here, *here.parents):
        path = folder / FILE
        if os.path.lexists(path):
            yield path
        if folder == root:
            return


def _read(path: Path, here: Path, root: Path, room: int) -> tuple[str, int, int]:
    """The text that there is room for, the file's size, and the bytes that were read.

    Raises Unread.
    """
    from ..tools.inside import open_inside, resolve_inside

    name = str(path.relative_to(root))
    for each in (path.lstat(), path.parent.stat()):
        require_owner(each.st_uid)
    require_closed(path.parent.stat().st_mode, "its folder")
    try:
        resolve_inside(root, name)
    except ToolError:
        raise Unread("is a link out of the project, so it is not read") from None
    try:
        with os.fdopen(open_inside(root, name), "rb") as file:
            status = os.fstat(file.fileno())
            require_owner(status.st_uid)
            require_closed(status.st_mode, "it")
            size = status.st_size
            data = file.read(room)
    except (ToolError, OSError):
        raise Unread("is no file that can be read") from None
    # The end of a part may be in the middle of a character.
    errors = "ignore" if size > len(data) else "strict"
    try:
        text = data.decode("utf-8-sig", errors)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Unread("is not text in UTF-8, so it is not read")
    return text.strip(), size, len(data)


def _without_tags(text: str) -> tuple[str, int]:
    """The text without hidden characters, and how many those were.

    Tags of the prompt's own are words in it: `&lt;instructions>`.
    """
    seen = strip_hidden(text)
    return _TAG.sub("&lt;", seen), len(text) - len(seen)


def _attribute(name: str) -> str:
    return visible_line(name, 200).translate(str.maketrans('"<>', "'()"))
