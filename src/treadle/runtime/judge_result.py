"""Asks an agent's after rules about a tool's result, before that is in the log. Writes nothing."""

from msgspec.structs import replace

from ..core import events as e
from ..core.arguments import parse_json_object
from ..core.call import CallState
from ..core.checks import Change, Deny, ToolResult
from ..core.context import Arguments, Context
from ..core.errors import ToolError
from ..core.name_kind import function_name
from ..core.prompt_words import WITHHELD
from ..core.tool import Tool
from .ask_check import CheckFailed, ask_check, reason_of, text_to
from .tool_result import render_result


async def judge_result(
    tool: Tool, arguments: Arguments, context: Context, returned: e.ToolReturned
) -> e.ToolReturned:
    """The result as the model is to see it. The event keeps what the tool gave, if that differs.

    A rule that fails denies. After the first that does no other is asked.
    """
    shown, by, reasons = returned, [], []
    for rule in tool.after:
        name = function_name(rule)
        result = ToolResult(tool.name, arguments, shown.content, shown.parts)
        try:
            said = await ask_check(rule, result, context, Change, Deny)
            if isinstance(said, Change):
                text = render_result(text_to(name, said), tool.max_chars).text
                shown = replace(shown, content=text)
        except CheckFailed as failed:
            said = Deny(str(failed))
        if said is None:
            continue
        by.append(name)
        reasons.append(reason_of(said))
        if isinstance(said, Deny):
            words = WITHHELD.format(reason=reasons[-1] or f"{name} has refused it")
            shown = replace(shown, content=words, parts=(), cut_chars=0)
            break
    if not by:
        return returned
    reason = "; ".join(filter(None, reasons))
    original = e.Original(returned.content, ", ".join(by), reason, returned.parts)
    return replace(shown, original=original)


async def judge_result_of(
    call: CallState, tool: Tool, context: Context, returned: e.ToolReturned
) -> e.ToolReturned:
    """As `judge_result`, of a result that came otherwise than from an attempt of the call."""
    if not tool.after:
        return returned
    try:
        arguments = tool.arguments_of(call.final_arguments)
    except ToolError:  # the tool takes other ones by now
        arguments = parse_json_object(call.final_arguments)
    return await judge_result(tool, arguments, context, returned)
