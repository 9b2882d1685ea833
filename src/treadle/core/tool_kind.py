"""What a call of a tool is: one of these four. Whoever does it matches on that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .limits import Limits


@dataclass(frozen=True)
class OfFunction:
    """A call runs a function."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class OfChild:
    """A call runs as a child thread within these limits; a repeated call continues it."""

    limits: Limits
    agent: Any = None
    """The agent that drives the child; None: the code of a flow does."""


@dataclass(frozen=True)
class HandOver:
    """A call puts this agent in charge of the thread."""

    agent: str


@dataclass(frozen=True)
class Question:
    """A person answers."""


ToolKind = OfFunction | OfChild | HandOver | Question
