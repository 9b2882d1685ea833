"""Asks an agent's checks and before rules, and makes the fact of what they said. Writes nothing.

The fact is in the log before anything goes by it. So a resume doesn't ask again, and a replay asks
nothing. A check that was asked when its process died is asked once more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.approvals import find_before_rules
from ..core.call import CallState
from ..core.checks import Allow, Ask, Change, Deny, InputCheck, OutputCheck, Said, ToolCall
from ..core.context import Context, refuse_code_without_deps
from ..core.errors import ToolError
from ..core.name_kind import function_name
from ..core.next_action import RunCheck
from .ask_check import CheckFailed, ask_check, reason_of, text_to
from .log import Log
from .serialize import NotSerializable, to_json

if TYPE_CHECKING:
    from .settings import RunSettings


@dataclass(frozen=True)
class Checks:
    """An agent's own checks."""

    input: InputCheck | None = None
    output: OutputCheck | None = None
    parse: Callable[[str], Any] = str
    """Makes the value of an answer of the agent's output type."""


CheckRunner = Callable[[Log, "RunSettings", RunCheck], Awaitable[e.Checked]]


async def run_check(log: Log, settings: "RunSettings", asked: RunCheck) -> e.Checked:
    """What the checks say of this message, this call or the answer."""
    if asked.call:
        return await _check_call(log, settings, asked.call)
    context = Context(settings.run.deps, log.thread_id, "", "", 1)
    if asked.what == "message":
        said = log.records[asked.seq - 1].event
        assert isinstance(said, e.UserSaid)
        assert settings.checks.input
        return await _check_text(asked, settings.checks.input, said, context, text_to)
    assert settings.checks.output
    assert log.state.turn
    value: Any = log.state.turn.answer
    try:
        value = settings.checks.parse(value)
    except Exception:  # a partial answer is no value of the type
        return e.Checked("answer", "deny", reason="it isn't of the type that is wanted")
    as_answer = partial(_as_answer, settings)
    return await _check_text(asked, settings.checks.output, value, context, as_answer)


async def _check_text(
    asked: RunCheck,
    function: Callable[[Any, Context], Any],
    what: Any,
    context: Context,
    as_text: Callable[[str, Change], str],
) -> e.Checked:
    name = function_name(function)
    refuse_code_without_deps(f"the check {name}", context.deps, function)
    content = None
    try:
        said: Said = await ask_check(function, what, context, Change, Deny)
        if isinstance(said, Change):
            content = as_text(name, said)
    except CheckFailed as failed:
        said = Deny(str(failed))
    return e.Checked(
        asked.what,
        "deny" if isinstance(said, Deny) else "allow",
        name,
        asked.seq,
        reason=reason_of(said),
        content=content,
    )


def _as_answer(settings: "RunSettings", name: str, change: Change) -> str:
    if settings.output_schema is None:
        return text_to(name, change)
    try:
        text = change.to if isinstance(change.to, str) else to_json(change.to)
    except NotSerializable as error:
        raise CheckFailed(f"{name} changed the answer to what is no JSON: {error}") from None
    if wrong := settings.policy.find_rejection(text):
        raise CheckFailed(f"{name} changed the answer to what can't be used: {wrong}")
    return text


async def _check_call(log: Log, settings: "RunSettings", call: CallState) -> e.Checked:
    """What the before rules say, in their order, each of the arguments as those before left them.

    A rule that fails is no consent: a person is asked.
    """
    tool = settings.policy.find_tool(call)
    assert tool
    context = Context(settings.run.deps, log.thread_id, call.id, call.key, call.attempt + 1)
    text = call.final_arguments
    changed: str | None = None
    by: list[str] = []
    reasons: list[str] = []
    arguments = tool.arguments_of(text)
    for rule in find_before_rules(settings.policy.rules, tool, arguments):
        name = function_name(rule)
        refuse_code_without_deps(f"the rule {name}", context.deps, rule)
        try:
            what = ToolCall(tool.name, tool.arguments_of(changed or text))
            said = await ask_check(rule, what, context, Allow, Ask, Deny, Change)
            if isinstance(said, Change):
                changed = _as_arguments(tool.arguments_of, name, said)
        except CheckFailed as failed:
            said = Ask(str(failed))
        if said is None:
            continue
        by.append(name)
        reasons.append(reason_of(said))
        if not isinstance(said, Change):
            break
    else:
        said = None
    return e.Checked(
        "call",
        _verdict_of(said),
        ", ".join(by),
        call_id=call.id,
        reason="; ".join(filter(None, reasons)),
        content=changed,
    )


def _verdict_of(said: Said) -> Any:
    match said:
        case Allow():
            return "allow"
        case Ask():
            return "ask"
        case Deny():
            return "deny"
    return "pass"


def _as_arguments(check: Callable[[str], Any], name: str, change: Change) -> str:
    """The changed arguments as JSON. Raises CheckFailed where the tool can't take them."""
    try:
        text = change.to if isinstance(change.to, str) else to_json(dict(change.to))
        check(text)
    except (ToolError, NotSerializable, TypeError, ValueError) as error:
        raise CheckFailed(f"{name} changed the arguments to what won't do: {error}") from None
    return text
