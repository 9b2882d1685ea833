"""What is to become of a call that the model has asked for: by the rules, then by labels. Pure."""

from typing import TYPE_CHECKING

from .approvals import Verdict, apply_rules
from .call import CallState
from .context import Arguments
from .policy import Policy
from .taint import find_taint
from .tool import Tool

if TYPE_CHECKING:
    from .state import State


def judge_call(
    call: CallState, tool: Tool, arguments: Arguments, state: "State", policy: Policy
) -> Verdict:
    """As the rules, the tool and people say. A call that would carry things out asks a person.

    A rule that names no argument, or a function, doesn't change the latter.
    """
    permissions = [each for each in state.permissions if each.agent == state.agent]
    verdict = apply_rules(policy.rules, tool, arguments, permissions, call.checked)
    if policy.taint != "ask" or call.step or verdict.action == "deny" or verdict.is_listed:
        return verdict
    taint = find_taint(state, tool)
    if not taint:
        return verdict
    return Verdict("ask", "; ".join(filter(None, (verdict.reason, taint))))
