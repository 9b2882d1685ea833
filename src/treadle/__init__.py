"""Treadle: an AI agent runtime that can be read in an afternoon. The log is the agent.

Reading order: in core/ events, state, turn, call, limits, approvals, decide, prompt, window; in
runtime/ log, request, loop, drive, end_turn, agent; then flows/.
"""

from . import own_path as _own_path  # noqa: F401 - first: nothing after it may come from the working directory

# isort: split
from .cli.agents_md import project_instructions
from .core.approvals import Rule
from .core.budget import Budget
from .core.checks import Allow, Ask, Change, Deny, ToolCall, ToolResult
from .core.context import Context
from .core.errors import (
    ContextOverflow,
    Fenced,
    FlowChanged,
    FlowStuck,
    IllegalEvent,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    NeedsDeps,
    NotAnswered,
    StepFailed,
    StepTimedOut,
    Stopped,
    StoreError,
    ToolError,
    ToolRetry,
    TreadleError,
    TurnFailed,
    TurnOpen,
    UnknownThread,
    UsageError,
)
from .core.events import (
    Always,
    ApprovalGiven,
    Audio,
    FeedbackGiven,
    File,
    Image,
    LimitRaised,
    OutcomeDecided,
    Record,
    TrustChanged,
    TurnEnded,
    Usage,
    UserSaid,
)
from .core.function_tool import tool
from .core.limits import Limits
from .core.model_settings import ModelSettings
from .core.pending import Pending
from .core.question import Question
from .core.result import Result, Summary
from .core.taint import Labelled
from .core.thread_summary import ThreadSummary
from .core.tool import Tool
from .core.verify import CannotTell, DidNotRun, Ran
from .core.version import VERSION as __version__  # noqa: F401 -- `treadle.__version__`
from .core.window import ContextWindow
from .flows.flow import Flow, flow
from .flows.step import step
from .flows.waits import Approval, approve, ask, sleep, until, wait_for
from .models.scripted import ScriptedModel
from .notes.extraction import extract_notes
from .notes.notes import Notes
from .runtime.agent import Agent
from .runtime.delete import Deletion, delete_threads, plan_deletion
from .runtime.drives import stop
from .runtime.listeners import Delta
from .runtime.retention import delete_expired
from .runtime.settle import Settled
from .runtime.sync import iterate_sync, run_sync
from .stores.memory import MemoryStore
from .stores.sqlite import SQLiteStore
from .workers.keep_going import keep_going

__all__ = [
    "Agent",
    "Allow",
    "Always",
    "Approval",
    "ApprovalGiven",
    "Ask",
    "Audio",
    "Budget",
    "CannotTell",
    "Change",
    "Context",
    "ContextOverflow",
    "ContextWindow",
    "Deletion",
    "Delta",
    "Deny",
    "DidNotRun",
    "FeedbackGiven",
    "Fenced",
    "File",
    "Flow",
    "FlowChanged",
    "FlowStuck",
    "IllegalEvent",
    "Image",
    "Labelled",
    "LimitRaised",
    "Limits",
    "MemoryStore",
    "ModelDenied",
    "ModelError",
    "ModelRejected",
    "ModelSettings",
    "ModelUnavailable",
    "NeedsDeps",
    "NotAnswered",
    "Notes",
    "OutcomeDecided",
    "Pending",
    "Question",
    "Ran",
    "Record",
    "Result",
    "Rule",
    "SQLiteStore",
    "ScriptedModel",
    "Settled",
    "StepFailed",
    "StepTimedOut",
    "Stopped",
    "StoreError",
    "Summary",
    "ThreadSummary",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolResult",
    "ToolRetry",
    "TreadleError",
    "TrustChanged",
    "TurnEnded",
    "TurnFailed",
    "TurnOpen",
    "UnknownThread",
    "Usage",
    "UsageError",
    "UserSaid",
    "approve",
    "ask",
    "delete_expired",
    "delete_threads",
    "extract_notes",
    "flow",
    "iterate_sync",
    "keep_going",
    "plan_deletion",
    "project_instructions",
    "run_sync",
    "sleep",
    "step",
    "stop",
    "tool",
    "until",
    "wait_for",
]
