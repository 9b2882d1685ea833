"""The tools that an agent's memory brings."""

from ..stores.store import Store
from ..tools.tool import Tool
from .look_back import look_back_tool
from .note_tools import note_tools
from .notes import Notes
from .window import Memory


def memory_tools(memory: Memory, notes: Notes | None, logs: Store) -> list[Tool]:
    """For an agent that keeps its threads in `logs`."""
    looking = [look_back_tool(logs)] if memory.look_back else []
    return [*looking, *(note_tools(notes, logs) if notes else ())]
