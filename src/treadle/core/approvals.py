"""Approval rules as data: which calls run, ask a person first, or are refused. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from .context import Arguments
from .tool import Tool
from .values import Always

Action = Literal["allow", "ask", "deny"]


@dataclass(frozen=True)
class Rule:
    """What to do with calls of the tools it matches. The first rule that matches decides."""

    tools: str
    """A glob over tool names: `*`, `write_*`."""
    action: Action
    reason: str = ""
    """Told to the person who is asked, or to the model that is refused."""
    read_only: bool | None = None
    """Only tools that are (True) or aren't (False) marked read-only; None for both."""


class Permission(msgspec.Struct, frozen=True):
    """What a person has allowed beforehand, when they approved a call."""

    call_id: str
    """The call that was approved: refusing it later revokes the permission."""
    tool: str
    always: Always
    by: str

    def covers(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether a call of that tool with these arguments needn't be asked for."""
        if tool != self.tool:
            return False
        for name, pattern in self.always.arguments.items():
            value = arguments.get(name)
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            if name not in arguments or not fnmatchcase(text, pattern):
                return False
        return True


class Verdict(msgspec.Struct, frozen=True):
    action: Action
    reason: str = ""


def apply_rules(
    rules: Iterable[Rule], tool: Tool, arguments: Arguments, permissions: Iterable[Permission]
) -> Verdict:
    """What to do with this call: the first rule that matches, else what the tool says of itself.

    Where a person has allowed it beforehand, an ask becomes an allow.
    """
    found = _rule(rules, tool) or _own(tool, arguments)
    if found.action == "ask":
        for permission in permissions:
            if permission.covers(tool.name, arguments):
                return Verdict("allow", f"allowed beforehand by {permission.by}")
    return found


def _rule(rules: Iterable[Rule], tool: Tool) -> Verdict | None:
    for rule in rules:
        if fnmatchcase(tool.name, rule.tools) and rule.read_only in (None, tool.read_only):
            return Verdict(rule.action, rule.reason)
    return None


def _own(tool: Tool, arguments: Arguments) -> Verdict:
    needs = tool.needs_approval
    try:
        asked = needs(arguments) if callable(needs) else needs
    except (
        Exception
    ) as error:  # the tool's own rule is somebody else's code; when in doubt a person is asked
        return Verdict(
            "ask", f"the approval rule of {tool.name} raised {type(error).__name__}: {error}"
        )
    return Verdict("ask", f"{tool.name} needs approval") if asked else Verdict("allow")
