"""The tools that an agent's memory brings."""

from ..core.tool import Tool
from ..core.window import Memory
from ..runtime.search_history import look_back_tool
from ..stores.store import Store
from .note_tools import note_tools
from .notes import Notes


def memory_tools(memory: Memory, notes: Notes | None, logs: Store) -> list[Tool]:
    """For an agent that keeps its threads in `logs`."""
    looking = [look_back_tool(logs)] if memory.look_back else []
    return [*looking, *(note_tools(notes, logs) if notes else ())]
