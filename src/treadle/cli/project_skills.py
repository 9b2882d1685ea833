"""The skills of Treadle's own agent: of `--skills`, of the project and of the user.

1. Those of `--skills` come first, then the project's, the nearest folder first, then the user's. Of
   two of one name the first is taken.
2. The project's count only where the user trusts it, and no link leads out of it. trust.py says
   whose files count.
3. With `--agent`, and with `--tools`, which says all that is wanted, only those of `--skills` do.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ToolError, UsageError
from ..core.visible import visible_line
from ..this_user import NoHome, expand_home
from ..tools.inside import resolve_inside
from ..tools.skill_files import FILE, FoundSkills, find_skills
from .agents_md import find_files, max_bytes_for
from .trust import (
    Unread,
    ask_once,
    find_here,
    find_root,
    is_trusted,
    require_closed,
    require_owner,
    why_unread,
)

if TYPE_CHECKING:
    from ..runtime.agent import Agent
    from .options import AgentOptions
    from .terminal import Screen

PLACES = (".agents/skills", ".claude/skills")
"""Where clients look for skills, in a project and in the user's home."""


def find_project_files(here: Path) -> list[str]:
    """What a project has that would speak to the agent, relative to its root. It isn't read."""
    root = find_root(here)
    found = [*find_files(here, root), *_list_skills(_folders_between(here, root))]
    return [path.relative_to(root).as_posix() for path in found]


def ask_about_project(settings: "AgentOptions", interactive: bool) -> None:
    """Ask the person once whether they trust the project of the working directory."""
    if not (settings.agent or settings.no_project):
        ask_once(find_root(find_here()), find_project_files(find_here()), interactive)


def with_skills(agent: "Agent", settings: "AgentOptions") -> "Agent":
    """The agent with the skills of these options. Raises UsageError."""
    found = _find(settings)
    if not found.skills:
        return agent
    from ..tools.skills import MAX_INDEX_CHARS, Skills

    source = Skills(found.skills, min(MAX_INDEX_CHARS, max_bytes_for(agent) // 2))
    return replace(agent, tools=[*agent.tools, source])


def announce_skills(settings: "AgentOptions", screen: "Screen") -> None:
    """Say which skills there are, which were left out, and what of the project isn't followed."""
    found = _find(settings)
    if found.skills:
        names = ", ".join(skill.name for skill in found.skills)
        screen.note(f"skills: {visible_line(names, 500)}", "dim")
    for phrase in found.unread:
        screen.note(visible_line(phrase, 300), "yellow")
    if not (settings.agent or settings.no_project):
        why = why_unread(find_root(find_here()), find_project_files(find_here()))
        if why:
            screen.note(visible_line(why, 500), "yellow")


def _find(settings: "AgentOptions") -> FoundSkills:
    """Raises UsageError for a folder of `--skills` that isn't there, and without PyYAML."""
    given = list(settings.skills or ())
    if settings.agent or settings.no_project or settings.tools is not None:
        return find_skills(given)
    folders: list[str] = []
    refused: list[str] = []
    for path, root in _list_others(find_here()):
        try:
            _require_own(path, root)
        except Unread as error:
            refused.append(f"the skill {path} {error}")
        else:
            folders.append(str(path))
    try:
        found = find_skills([*given, *folders])
    except UsageError as error:
        if given:
            raise
        return FoundSkills((), (str(error),))  # nobody has asked for them
    return replace(found, unread=(*found.unread, *refused))


def _list_others(here: Path) -> Iterator[tuple[Path, Path]]:
    """The project's and the user's skills, each with the folder that it mustn't lead out of."""
    root = find_root(here)
    if is_trusted(root):
        for path in _list_skills(_folders_between(here, root)):
            yield path, root
    try:
        home = expand_home("~")
    except NoHome:
        return
    for path in _list_skills(home / place for place in PLACES):
        if home not in (here, root):  # else they are the project's
            yield path, home


def _list_skills(folders: Iterator[Path]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            continue
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            yield folder  # so that it is told that it can't be read
            continue
        for name in names:
            if os.path.lexists(folder / name / FILE):
                yield folder / name


def _folders_between(here: Path, root: Path) -> Iterator[Path]:
    """Where a project's skills may be, the nearest to the working directory first."""
    for folder in (here, *here.parents):
        yield from (folder / place for place in PLACES)
        if folder == root:
            return


def _require_own(path: Path, root: Path) -> None:
    """Raises Unread unless the user trusts whoever may write this skill, and it is in the root."""
    try:
        resolve_inside(root, str(path.relative_to(root)))
    except ToolError:
        raise Unread("is a link out of its place, so it is not read") from None
    for each, what in ((path.parent, "its place"), (path, "its folder"), (path / FILE, FILE)):
        try:
            status = each.stat()
        except OSError:
            raise Unread("can't be read") from None
        require_owner(status.st_uid)
        require_closed(status.st_mode, what)
