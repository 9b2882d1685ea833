"""What an agent's settings say about its decisions. `decide` goes by it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace as with_fields

from .approvals import Rule, Verdict, apply_rules, find_before_rules
from .call import CallState
from .context import Arguments
from .events import Event
from .limits import Limits
from .next_action import RunCheck
from .raised import describe_raised
from .redact import redact
from .taint import find_taint
from .tool import Tool

if TYPE_CHECKING:
    from .state import State


@dataclass(frozen=True)
class Policy:
    """What an agent's settings say about its decisions."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    limits: Limits = Limits()
    rules: tuple[Rule, ...] = ()
    plan: bool = False
    check_answer: Callable[[str], str | None] | None = None
    """Says what is wrong with an answer, in words for the model; None if nothing is."""
    unknown: Literal["ask", "tell"] = "ask"
    """For a call of unknown outcome: wait for a person, or tell the model that nobody knows."""
    parallel: bool = False
    """All calls of one reply may run side by side, as if each tool said so."""
    step_tools: Mapping[str, Tool] = field(default_factory=dict)
    """By call id, the steps that a flow's code has asked for."""
    check_input: bool = False
    """What people say is checked before the model sees it: see checks.py."""
    check_output: bool = False
    """The answer is checked before it is given."""
    taint: Literal["ask", "warn", "off"] = "ask"
    """What is done about a call that acts outward beside untrusted text and private data."""
    recorded_objection: Callable[[CallState], Event | RunCheck | None] | None = None
    """What a recording says against a call. None: its tool's check and the rules judge."""

    models: tuple[str, ...] = ()
    """The names of the agent's models, in the order in which they are asked."""

    def model_after(self, model: str) -> str:
        """The name of the model that goes on where this one can't; "" if there is none.

        One that isn't the agent's own, but was asked before a resume, is followed by the first.
        """
        if model not in self.models:
            return self.models[0] if self.models else ""
        return next(iter(self.models[self.models.index(model) + 1 :]), "")

    def shown_tools(self) -> list[Tool]:
        """The tools of which every prompt tells: all but those on demand."""
        return [tool for tool in self.tools.values() if not tool.on_demand]

    def find_tool(self, call: CallState) -> Tool | None:
        return self.step_tools.get(call.id) or self.tools.get(call.name)

    def judge(self, call: CallState, tool: Tool, arguments: Arguments, state: "State") -> Verdict:
        """What the rules, the tool and people say of a call; of a model's call, also labels."""
        taint = ""
        if self.taint == "ask" and not call.step:
            taint = find_taint(state, tool.name, tool.labels)
        permissions = [each for each in state.permissions if each.agent == state.agent]
        return apply_rules(self.rules, tool, arguments, permissions, call.checked, taint)

    def runs_unasked(self, call: CallState, arguments: Arguments, state: "State") -> bool:
        """Whether the call would run at once with these arguments: no person and no function of a
        rule would be asked."""
        tool = self.find_tool(call)
        if tool is None or find_before_rules(self.rules, tool, arguments):
            return False
        return self.judge(with_fields(call, checked=None), tool, arguments, state).action == "allow"

    def must_check(self, call: CallState) -> bool:
        """Whether its tool's `verify` is to be asked what became of the call."""
        tool = self.find_tool(call)
        return (
            call.status == "unknown"
            and not call.is_unclear
            and tool is not None
            and tool.verify is not None
        )

    def runs_beside(self, call: CallState) -> bool:
        """Whether the call may run at the same time as others, and before earlier ones are over.

        All others keep the order in which the reply asked for them.
        """
        if call.step or self.parallel:
            return True
        tool = self.find_tool(call)
        return tool is None or tool.idempotent or tool.parallel or tool.background

    def runs_in_background(self, call: CallState) -> bool:
        """Whether the model goes on while the call runs."""
        tool = self.find_tool(call)
        return tool is not None and tool.background and not call.step

    def find_rejection(self, answer: str) -> str | None:
        """What is wrong with an answer, in words for the model; None if nothing is."""
        if self.check_answer is None:
            return None
        try:
            return self.check_answer(answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a validator of a type may be anybody's code
            return f"the check of the answer raised {redact(describe_raised(error))}"
