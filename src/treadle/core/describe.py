"""Describes an agent's tools and policy as its log keeps them, and makes a policy of that. Pure.

Only what is data is kept: functions, approval rules and checks are code, which no log can keep.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from . import events as e
from .errors import UsageError
from .limits import Limits
from .policy import Policy
from .tool import Tool
from .tool_kind import HandOver, OfChild, OfFunction, Question
from .window import ContextWindow

T = TypeVar("T", Limits, ContextWindow)
_encode = msgspec.json.Encoder().encode
_OF_TOOL = ("read_only", "idempotent", "parallel", "background", "on_demand", "foreign")
_OF_POLICY = ("plan", "parallel", "unknown", "taint", "check_input", "check_output")
"""The fields that a description has under the same names."""


def describe_tool(tool: Tool) -> e.ToolDescription:
    """What the model is told of the tool, and what `decide` goes by."""
    child: dict[str, Any] | None = None
    hands_to = ""
    match tool.kind:
        case OfChild(limits):
            child = _describe_fields(limits)
        case HandOver(hands_to):
            pass
        case OfFunction() | Question():
            pass
    description, parameters = tool.schema.description, tool.schema.parameters
    if tool.on_demand:  # results have what the model is told of it; 300 of them would be 150 KB
        description, parameters = "", {"type": "object"}
    return e.ToolDescription(
        description,
        parameters,
        tool.schema.labels,
        asks=isinstance(tool.kind, Question),
        hands_to=hands_to,
        child=child,
        verifies=tool.verify is not None,
        **_take(tool, _OF_TOOL),
    )


def describe_policy(policy: Policy, window: ContextWindow) -> e.PolicyDescription:
    return e.PolicyDescription(
        _describe_fields(policy.limits),
        _describe_fields(window),
        models=policy.models if len(policy.models) > 1 else (),
        **_take(policy, _OF_POLICY),
    )


def says_the_same(was: e.AgentDescribed | None, now: e.AgentDescribed) -> bool:
    """Whether two descriptions are the same to the byte: the order of tools is told to the model,
    and its cache goes by it."""
    if was is now:
        return True
    return was is not None and _encode(was) == _encode(now)


def policy_from(described: e.AgentDescribed) -> Policy:
    """The policy that the description tells: its tools have no functions and refuse nothing."""
    return _read_policy(_encode(described))


@functools.lru_cache(maxsize=32)  # many threads are of few agents; a tool is checked as it is made
def _read_policy(encoded: bytes) -> Policy:
    described = msgspec.json.decode(encoded, type=e.AgentDescribed)
    tools = {name: _tool_from(name, told) for name, told in described.tools.items()}
    if described.policy is None:
        return Policy(tools)
    return Policy(
        tools,
        _from_fields(Limits, described.policy.limits),
        models=described.policy.models or (described.model,),
        **_take(described.policy, _OF_POLICY),
    )


def window_from(described: e.AgentDescribed) -> ContextWindow:
    if described.policy is None:
        return ContextWindow()
    return _from_fields(ContextWindow, described.policy.context_window)


def _tool_from(name: str, told: e.ToolDescription) -> Tool:
    special: OfChild | HandOver | None = None
    if told.child is not None:
        special = OfChild(_from_fields(Limits, told.child))
    elif told.hands_to:
        special = HandOver(told.hands_to)
    function: Any = None
    if not (told.asks or told.hands_to):
        function = _refuse_to_run
    verify = None
    if told.verifies:
        verify = _refuse_to_run
    return Tool(
        name,
        told.description,
        told.parameters,
        function,
        dict,
        verify=verify,
        labels=told.labels,
        special=special,
        **_take(told, _OF_TOOL),
    )


def _take(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _refuse_to_run(**_: object) -> str:
    raise NotImplementedError("a tool that is known from a log alone can't run")


def _describe_fields(value: Limits | ContextWindow) -> dict[str, Any]:
    """All fields by name, but for those that are none unless they are given.

    JSON has no infinite number: as a limit it is none.
    """
    unlimited = type(value)()
    described: dict[str, Any] = {}
    for name in (each.name for each in fields(value)):
        field = getattr(value, name)
        if isinstance(field, float) and not math.isfinite(field):
            field = None
        if field is not None or getattr(unlimited, name) is not None:
            described[name] = field
    return described


def _from_fields(kind: type[T], told: Mapping[str, Any]) -> T:
    """The value of this kind; names that this version doesn't know are left out.

    Raises UsageError for a log that was tampered with.
    """
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"the log says of its agent's {kind.__name__} what can't be: {error}"
        ) from None
