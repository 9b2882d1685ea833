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
    """As the rules, the tool and people say; for a call of a model, also as labels do."""
    taint = ""
    if policy.taint == "ask" and not call.step:
        taint = find_taint(state, tool.name, tool.labels)
    permissions = [each for each in state.permissions if each.agent == state.agent]
    return apply_rules(policy.rules, tool, arguments, permissions, call.checked, taint)
