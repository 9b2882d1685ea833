"""Treadle: an AI agent runtime that can be read in an afternoon. The log is the agent.

Reading order: events, state, turn, call, limits, approvals, decide, memory/prompt, memory/window, log, loop, agent;
then history, course, steps, flow.
"""

from . import own_path as _own_path  # noqa: F401 - first: nothing after it may come from the working directory

# isort: split
from .agent import Agent
from .approvals import Rule
from .errors import (
    ContextOverflow,
    Fenced,
    FlowChanged,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    StepFailed,
    StoreError,
    ToolError,
    ToolRetry,
    TreadleError,
    TurnFailed,
    TurnOpen,
    UnknownThread,
    UsageError,
)
from .events import ApprovalGiven, File, Image, OutcomeDecided, Record, TurnEnded, Usage, UserSaid
from .extraction import extract_notes
from .flows.flow import Flow, flow
from .flows.steps import step
from .flows.waits import Approval, approve, ask, sleep, until, wait_for
from .limits import Limits
from .listeners import Delta
from .memory.notes import Notes
from .memory.project import project_instructions
from .memory.window import Memory
from .models.scripted import ScriptedModel
from .result import Result, Summary
from .stores.memory import MemoryStore
from .stores.sqlite import SQLiteStore
from .sync import run_sync
from .tools.context import Context
from .tools.tool import Tool, tool

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Approval",
    "ApprovalGiven",
    "Context",
    "ContextOverflow",
    "Delta",
    "Fenced",
    "File",
    "Flow",
    "FlowChanged",
    "Image",
    "Limits",
    "Memory",
    "MemoryStore",
    "ModelDenied",
    "ModelError",
    "ModelRejected",
    "ModelUnavailable",
    "Notes",
    "OutcomeDecided",
    "Record",
    "Result",
    "Rule",
    "SQLiteStore",
    "ScriptedModel",
    "StepFailed",
    "StoreError",
    "Summary",
    "Tool",
    "ToolError",
    "ToolRetry",
    "TreadleError",
    "TurnEnded",
    "TurnFailed",
    "TurnOpen",
    "UnknownThread",
    "Usage",
    "UsageError",
    "UserSaid",
    "approve",
    "ask",
    "extract_notes",
    "flow",
    "project_instructions",
    "run_sync",
    "sleep",
    "step",
    "tool",
    "until",
    "wait_for",
]
