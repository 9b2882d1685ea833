"""Finds skills in folders and reads what their SKILL.md says of them: agentskills.io's format.

1. A folder with a SKILL.md is a skill; another folder is looked into for such folders, by name.
2. Nothing is read through a link that leads out of the folder.
3. A bad skill raises nothing: a phrase says what is wrong with it, and it is left out.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.errors import ToolError, UsageError
from ..this_user import expand_home
from .inside import open_inside, resolve_inside, walk_inside

FILE = "SKILL.md"
MAX_FILE_BYTES = 256 * 1024
MAX_NAME_CHARS = 64
MAX_DESCRIPTION_CHARS = 1024
MAX_FIELDS_CHARS = 16_000
MAX_BRACKETS = 100
"""Of lists and objects in the fields: PyYAML takes seconds for thousands within each other."""
MAX_FOLDERS = 2_000
"""How many entries of a folder are looked at."""

_NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)---[ \t]*(?:\n|\Z)", re.S)
_PLAIN_LINE = re.compile(r"""([\w-]+):[ \t]+([^\s"'\[{|>&*!#%@`].*)""")
"""A line whose value has no quotes, in which other clients take a colon as text."""


@dataclass(frozen=True)
class Skill:
    """What is told of a skill before it is read."""

    name: str
    description: str
    """On one line, of printable characters."""
    folder: str
    """Absolute, without links."""


@dataclass(frozen=True)
class FoundSkills:
    """The skills of some folders, in their order."""

    skills: tuple[Skill, ...] = ()
    unread: tuple[str, ...] = ()
    """A phrase for each skill that was left out, with the reason."""


class _BadSkill(Exception):
    """What is wrong with a skill, in words."""


def find_skills(folders: Iterable[str | os.PathLike[str]]) -> FoundSkills:
    """The skills in these folders; of two of one name, that of the folder named first.

    Raises UsageError for a folder that isn't there, and without PyYAML.
    """
    found: dict[str, Skill] = {}
    unread: list[str] = []
    for given in folders:
        root = expand_home(given)
        if not root.is_dir():
            raise UsageError(f"{str(given)!r} is no folder, so there are no skills in it")
        for inner in _name_skills(root):
            shown = os.path.join(given, inner) if inner else str(given)
            try:
                skill = _read_skill(root, inner)
            except _BadSkill as error:
                unread.append(f"the skill {shown} is left out: {error}")
                continue
            if skill.name in found:
                reason = f"{found[skill.name].folder} has that name too"
                unread.append(f"the skill {shown} is left out: {reason}")
            else:
                found[skill.name] = skill
    return FoundSkills(tuple(found.values()), tuple(unread))


def printable(text: str) -> str:
    """The text on one line, without characters that nobody sees."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _name_skills(root: Path) -> Iterator[str]:
    """The paths of skills in a folder, relative to it, by name; "" for the folder itself."""
    if os.path.lexists(root / FILE):
        yield ""
        return
    for name in sorted(os.listdir(root))[:MAX_FOLDERS]:
        if os.path.lexists(root / name / FILE):
            yield name


def _read_skill(root: Path, inner: str) -> Skill:
    """Raises _BadSkill."""
    try:
        folder = os.path.join(os.path.realpath(root), *resolve_inside(root, inner or "."))
    except ToolError:
        raise _BadSkill("its folder is a link out of the one that was given") from None
    try:
        told = _read_front_matter(_read_text(folder))
    except ToolError:
        raise _BadSkill(f"its {FILE} is no file in its folder that can be read") from None
    name, description = told.get("name"), told.get("description")
    if not isinstance(name, str) or not name:
        raise _BadSkill("it has no name")
    if len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
        raise _BadSkill(
            f"its name {printable(name)[:80]!r} isn't made of at most {MAX_NAME_CHARS} characters:"
            " small letters a to z, digits and single hyphens between them"
        )
    if not isinstance(description, str) or not printable(description):
        raise _BadSkill("it has no description")
    if len(description) > MAX_DESCRIPTION_CHARS:
        raise _BadSkill(
            f"its description has {len(description):,} characters; {MAX_DESCRIPTION_CHARS:,} are"
            " the most"
        )
    return Skill(name, printable(description), folder)


def _read_text(folder: str) -> str:
    """The text of its SKILL.md. Raises ToolError and _BadSkill."""
    with os.fdopen(open_inside(folder, FILE), "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _BadSkill(f"its {FILE} has more than {MAX_FILE_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise _BadSkill(f"its {FILE} is not text in UTF-8") from None


def _read_front_matter(text: str) -> dict[str, Any]:
    """The fields at the beginning of a SKILL.md. Raises _BadSkill."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        raise _BadSkill(f"its {FILE} doesn't begin with fields between two lines of ---")
    if len(match[1]) > MAX_FIELDS_CHARS or sum(map(match[1].count, "[{")) > MAX_BRACKETS:
        raise _BadSkill("its fields are too long, or hold too many lists and objects")
    try:
        import yaml
    except ImportError:
        raise UsageError("skills need PyYAML: pip install 'treadle[skills]'") from None
    faults: list[str] = []
    for given in (match[1], _quote_values(match[1])):
        try:
            told = yaml.safe_load(given)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            faults.append(printable(str(error))[:200])
            continue
        if isinstance(told, dict):
            return told
        faults.append("they are no names with values")
    raise _BadSkill(f"its fields aren't YAML: {faults[0]}")


def _quote_values(text: str) -> str:
    """The fields with quotes around values that have none: `when: it rains` is a text then."""
    lines = []
    for line in text.splitlines():
        match = _PLAIN_LINE.fullmatch(line)
        lines.append(f"{match[1]}: {json.dumps(match[2])}" if match else line)
    return "\n".join(lines)


def list_skill_files(skill: Skill, most: int) -> list[str]:
    """The paths of its files besides SKILL.md, by name; at most so many."""
    skipped = frozenset({".git", "node_modules", "__pycache__"})
    walk = walk_inside(skill.folder, ".", deep=True, hidden=False, skipped=skipped)
    paths = (entry.path for entry in islice(walk, MAX_FOLDERS) if not entry.is_folder)
    return list(islice((path for path in paths if path != FILE), most))
