"""What a log says that an agent is made of: its tools and its policy. values.py has the others."""

from typing import Any, Literal

import msgspec

from .values import Label


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent was at a claim. Only logs of format 1 have it."""

    agent: str
    model: str
    instructions: str
    tools: dict[str, str] = {}
    """The hash of each tool's schema, by name; as the instructions above are one."""


class ToolDescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool: what the model is told of it, then what may be done with its calls."""

    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""
    labels: tuple[Label, ...] = ()
    read_only: bool = False
    idempotent: bool = False
    parallel: bool = False
    asks: bool = False
    """It has no function: a person answers."""
    hands_to: str = ""
    child: dict[str, Any] | None = None
    """The limits of the child thread that a call runs as; None if it runs as none."""
    verifies: bool = False
    """It has a `verify`, which says what became of a call of unknown outcome."""
    background: bool = False
    on_demand: bool = False
    """No prompt lists it."""
    foreign: bool = False
    """Others have written its name and description: untrusted text."""


class PolicyDescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent's decisions go by, as far as it is data: approval rules and checks are code."""

    limits: dict[str, Any]
    """All fields of `Limits`, by name; of a child, with the seconds that its parent had left."""
    context_window: dict[str, Any]
    """All fields of `ContextWindow`, by name."""
    plan: bool = False
    parallel: bool = False
    """All calls of a reply may run side by side."""
    unknown: Literal["ask", "tell"] = "ask"
    models: tuple[str, ...] = ()
    """The names of the models in the order in which they are asked, if there are several."""
    check_input: bool = False
    """What people say is checked before the model sees it."""
    check_output: bool = False
    """The answer is checked before it is given."""
    taint: Literal["ask", "warn", "off"] = "ask"
    """What is done about calls that act outward beside untrusted text and private data."""
