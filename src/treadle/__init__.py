"""Treadle: an AI agent runtime that can be read in an afternoon. The log is the agent.

Reading order: events, state, turn, limits, approvals, decide, memory/prompt, log, loop, agent.
"""

from .agent import Agent
from .approvals import Rule
from .errors import ToolError, ToolRetry, TreadleError
from .events import ApprovalGiven, File, Image, Record, Usage
from .limits import Limits
from .listeners import Delta
from .models.scripted import ScriptedModel
from .result import Result, Summary
from .stores.memory import MemoryStore
from .stores.sqlite import SQLiteStore
from .tools.context import Context
from .tools.tool import Tool, tool

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "ApprovalGiven",
    "Context",
    "Delta",
    "File",
    "Image",
    "Limits",
    "MemoryStore",
    "Record",
    "Result",
    "Rule",
    "SQLiteStore",
    "ScriptedModel",
    "Summary",
    "Tool",
    "ToolError",
    "ToolRetry",
    "TreadleError",
    "Usage",
    "tool",
]
