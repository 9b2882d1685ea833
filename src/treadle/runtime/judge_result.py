"""Asks an agent's after rules about what came of a call, before that is in the log. Writes nothing.

Whatever its tool has the model read is judged: a result, and the words of a failure.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from msgspec.structs import replace as with_fields

from ..core import events as e
from ..core.approvals import Rule
from ..core.arguments import parse_json_object
from ..core.call import CallState
from ..core.checks import Change, Deny, ToolResult
from ..core.context import Arguments, Context, find_needed_deps
from ..core.errors import ToolError
from ..core.name_kind import function_name
from ..core.prompt_words import WITHHELD
from ..core.tool import Tool
from .ask_check import CheckFailed, ask_check, reason_of, text_to
from .tool_result import render_result

Came = TypeVar("Came", bound=e.Event)


def with_after_rules(tool: Tool, rules: Iterable[Rule]) -> Tool:
    """The tool with those of the rules that judge what comes of its calls."""
    after = tuple(rule.after for rule in rules if rule.after and rule.matches(tool))
    needed = tool.needs_deps or find_needed_deps(*after)
    return replace(tool, after=after, needs_deps=needed) if after else tool


def is_judged(tool: Tool, came: e.Event) -> bool:
    """Whether rules are asked about this: the model is to read what the tool has said."""
    match came:
        case e.ToolReturned() | e.ToolFailed(kind="raised", retry_after_s=None):
            return bool(tool.after)
    return False


async def judge_result(tool: Tool, arguments: Arguments, context: Context, came: Came) -> Came:
    """What came of a call as the model is to see it; where that differs, with what the tool gave.

    A rule that fails denies. After the first that does no other is asked.
    """
    if not is_judged(tool, came):
        return came
    is_failure = isinstance(came, e.ToolFailed)
    field = "message" if is_failure else "content"
    given, parts = getattr(came, field), getattr(came, "parts", ())
    shown: dict[str, Any] = {field: given}
    by, reasons = [], []
    for rule in tool.after:
        name = function_name(rule)
        result = ToolResult(tool.name, arguments, shown[field], parts, is_failure)
        try:
            said = await ask_check(rule, result, context, Change, Deny)
            if isinstance(said, Change):
                shown[field] = render_result(text_to(name, said), tool.max_chars).text
        except CheckFailed as failed:
            said = Deny(str(failed))
        if said is None:
            continue
        by.append(name)
        reasons.append(reason_of(said))
        if isinstance(said, Deny):
            shown[field] = WITHHELD.format(reason=reasons[-1] or f"{name} has refused it")
            if not is_failure:
                shown.update(parts=(), cut_chars=0)
            break
    if not by:
        return came
    reason = "; ".join(filter(None, reasons))
    original = e.Original(given, ", ".join(by), reason, parts)
    return with_fields(came, original=original, **shown)


async def judge_result_of(call: CallState, tool: Tool, context: Context, came: Came) -> Came:
    """As `judge_result`, for what came by a post, a poll or `verify`, and by no attempt."""
    if not is_judged(tool, came):
        return came
    try:
        arguments = tool.arguments_of(call.final_arguments)
    except ToolError:  # the tool takes other ones by now
        arguments = parse_json_object(call.final_arguments)
    return await judge_result(tool, arguments, context, came)
