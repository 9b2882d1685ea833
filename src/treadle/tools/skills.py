"""`skills()`: instructions in folders, which the model reads when a task needs them.

1. The system prompt names the skills and says what each is for. `read_skill` gives the rest: the
   body of a SKILL.md, and files beside it, in pages, never outside of the skill's folder.
2. What was shown is in the log, as the description of the agent and as results of calls. Replays
   and forks need no folder.
3. A skill is text. It allows nothing, whatever its `allowed-tools` say, and its scripts don't run.
"""

import logging
import os
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ..core.errors import ToolError
from ..core.function_tool import make_tool
from ..core.tool import Tool
from ..core.tool_source import ToolSource
from .files import FileTools
from .skill_files import FILE, Skill, find_skills, list_skill_files, printable

MAX_INDEX_CHARS = 16_000
"""Of all names and descriptions together: about 4,500 tokens."""
MAX_LISTED = 50
_HEAD = (
    "Skills are instructions for certain tasks. Where one fits the task, read it with read_skill"
    " before you begin, and follow it. There are:"
)
_logger = logging.getLogger("treadle.skills")


def skills(*folders: str | os.PathLike[str]) -> ToolSource:
    """The skills in these folders, for an agent's tools: `tools=[skills("skills"), ...]`.

    A folder is a skill (it has a SKILL.md), or holds such folders. Bad ones are left out, with a
    warning that says why. Raises UsageError for a folder that isn't there.
    """
    found = find_skills(folders)
    for phrase in found.unread:
        _logger.warning("%s", phrase)
    return Skills(found.skills)


class Skills:
    """Gives an agent the tool that reads skills: see `skills`."""

    def __init__(self, given: Sequence[Skill], max_index_chars: int = MAX_INDEX_CHARS) -> None:
        self._skills = {skill.name: skill for skill in given}
        self._tools: tuple[Tool, ...] = ()
        if given:
            prompt = "\n".join([_HEAD, *_make_index(given, max_index_chars)])
            self._tools = (make_tool(self.read_skill, read_only=True, prompt=prompt),)

    def find_tools(self) -> Sequence[Tool]:
        """read_skill; none where there are no skills."""
        return self._tools

    def read_skill(self, name: str, path: str = FILE, page: Annotated[int, Field(ge=1)] = 1) -> str:
        """Read the instructions of a skill, or a file that they name.

        Args:
            name: The skill's name.
            path: A file in its folder, such as references/forms.md.
            page: Which page of a long file, from 1.
        """
        skill = self._skills.get(name)
        if skill is None:
            raise ToolError(f"no skill is named {name!r}; there are: {', '.join(self._skills)}")
        read = FileTools(skill.folder).read_file(path, page)
        text = "".join(char for char in read if char.isprintable() or char in "\n\t")
        files = list_skill_files(skill, MAX_LISTED + 1) if path == FILE and page == 1 else []
        if not files:
            return text
        more = ", and more" if len(files) > MAX_LISTED else ""
        listed = ", ".join(printable(each) for each in files[:MAX_LISTED])
        return f"{text}\n\n[other files of this skill, for `path`: {listed}{more}]"


def _make_index(given: Sequence[Skill], max_chars: int) -> list[str]:
    """A line for each skill. Where they are too many, the last have no description."""
    room = max_chars - sum(len(skill.name) + 3 for skill in given)
    lines = []
    for skill in given:
        room -= len(skill.description)
        lines.append(f"- {skill.name}: {skill.description}" if room >= 0 else f"- {skill.name}")
    return lines
