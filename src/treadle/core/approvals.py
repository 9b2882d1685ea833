"""Rules for calls of tools: which run, ask a person first, or are refused. Pure.

The functions of rules are asked elsewhere (runtime/run_check.py); here is what they said.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from .argument_globs import fits_glob
from .check_settings import check_choice, check_flags, check_kind
from .checks import AfterRule, BeforeRule
from .context import Arguments
from .errors import UsageError
from .events import Checked
from .listed import Patterns, fits_all
from .name_kind import name_kind
from .raised import describe_raised
from .tool import Tool
from .values import Always

Action = Literal["allow", "ask", "deny"]


@dataclass(frozen=True)
class Rule:
    """What to do with calls of the tools that it matches: a word, or a function that says it.

    Rules are asked in their order. The first that allows, asks or denies decides; a function that
    returns None, or changes the arguments, leaves it to those after it. See checks.py.
    """

    tools: str
    """A glob over tool names: `*`, `write_*`."""
    action: Action | None = None
    """For all calls of these tools."""
    reason: str = ""
    """Told to the person who is asked, or to the model that is refused."""
    read_only: bool | None = None
    """Only tools that are (True) or aren't (False) marked read-only; None for both."""
    before: BeforeRule | None = None
    """Judges each call before it runs."""
    after: AfterRule | None = None
    """Judges each result and failure before the model sees it. It decides nothing before."""
    arguments: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    """With "allow": only calls whose arguments of these names fit the patterns (listed.py). Such a
    rule is a list of where a tool may act outward, also beside untrusted text and private data."""

    def __post_init__(self) -> None:
        check_kind("Rule(tools=)", self.tools, str, "a glob over names, such as 'write_*'")
        given = [self.action, self.before, self.after]
        if given.count(None) != 2:
            raise UsageError(
                f"Rule({self.tools!r}) needs one of an action, before= and after=: give 'allow',"
                " 'ask', 'deny', or a function"
            )
        if self.action is not None:
            check_choice("Rule(action", self.action, "allow", "ask", "deny")
        for name, function in (("before", self.before), ("after", self.after)):
            if function is not None and not callable(function):
                raise UsageError(
                    f"Rule({name}=) is {name_kind(function)}; give a function of what it judges and"
                    " the Context"
                )
        check_kind("Rule(reason=)", self.reason, str, "a text")
        if self.read_only is not None:
            check_flags("Rule", read_only=self.read_only)
        check_kind(
            "Rule(arguments=)", self.arguments, Mapping, 'patterns, as {"to": "*@ours.example"}'
        )
        if self.arguments and self.action != "allow":
            raise UsageError(
                f"Rule({self.tools!r}, arguments=) needs the action 'allow': it lists what may run;"
                " what it doesn't list goes to the rules after it"
            )
        for name, patterns in self.arguments.items():
            listed = patterns if isinstance(patterns, list | tuple) else [patterns]
            for each in listed:
                check_kind(f"Rule(arguments={{{name!r}: ...}})", each, str, "a pattern, as a text")

    def matches(self, tool: Tool) -> bool:
        """Whether it is for calls of this tool, whatever their arguments."""
        return fnmatchcase(tool.name, self.tools) and self.read_only in (None, tool.read_only)

    def decides(self, tool: Tool, arguments: Arguments) -> bool:
        """Whether its action is the word on this call."""
        if not self.action or not self.matches(tool):
            return False
        if not self.arguments:
            return True
        listed: dict[str, Patterns] = {}
        for name, patterns in self.arguments.items():
            listed[name] = patterns if isinstance(patterns, str) else tuple(patterns)
        given = tool.as_given(arguments)
        return fits_all(given, listed, tool.parameters.get("properties", ()))


class Permission(msgspec.Struct, frozen=True):
    """What a person has allowed beforehand, when they approved a call."""

    call_id: str
    """The call that was approved: refusing it later revokes the permission."""
    tool: str
    always: Always
    by: str
    agent: str
    """The agent whose tool that is: another agent's tool of the same name is another tool."""

    def covers(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        fits: Callable[[Any, str], bool] = fits_glob,
    ) -> bool:
        """Whether a call of that tool with these arguments needs no approval.

        With `matches_glob`, which goes by characters alone, it says which calls that wait are to be
        judged again as this is given.
        """
        patterns = self.always.arguments.items()
        return tool == self.tool and all(
            name in arguments and fits(arguments[name], pattern) for name, pattern in patterns
        )


class Verdict(msgspec.Struct, frozen=True):
    action: Action
    reason: str = ""
    is_listed: bool = False
    """A rule that names its arguments says so."""


def apply_rules(
    rules: Iterable[Rule],
    tool: Tool,
    arguments: Arguments,
    permissions: Iterable[Permission],
    checked: Checked | None = None,
    taint: str = "",
) -> Verdict:
    """What to do with this call: as the first rule that matches says, else as the tool itself says.

    `checked` is what the functions among the rules have said of it, where there are any. `taint`
    says why a person must allow it whatever they say, unless a rule lists its arguments. What a
    person has allowed beforehand needs no approval. `permissions` are those for the agent in
    charge.
    """
    by_rule = match_rule(rules, tool, arguments)
    is_denied = by_rule is not None and by_rule.action == "deny"
    if is_denied and not find_before_rules(rules, tool, arguments):
        checked = None  # by the functions of an older agent: this one would have asked none
    if checked and checked.verdict != "pass":
        found = Verdict(checked.verdict, checked.reason)
    else:
        found = by_rule or _ask_tool(tool, arguments)
    is_listed = by_rule is not None and by_rule.is_listed
    if taint and found.action != "deny" and not is_listed:
        found = Verdict("ask", "; ".join(filter(None, (found.reason, taint))))
    if found.action == "ask":
        for permission in permissions:
            if permission.covers(tool.name, tool.as_given(arguments)):
                return Verdict("allow", f"allowed beforehand by {permission.by}")
    return found


def match_rule(rules: Iterable[Rule], tool: Tool, arguments: Arguments) -> Verdict | None:
    """What the first rule with an action says of this call; None if there is none."""
    for rule in rules:
        if rule.action and rule.decides(tool, arguments):
            return Verdict(rule.action, rule.reason, is_listed=bool(rule.arguments))
    return None


def find_before_rules(rules: Iterable[Rule], tool: Tool, arguments: Arguments) -> list[BeforeRule]:
    """The functions that are asked before a call of this tool runs: no rule before them decides."""
    found: list[BeforeRule] = []
    for rule in rules:
        if rule.decides(tool, arguments):
            break
        if rule.before and rule.matches(tool):
            found.append(rule.before)
    return found


def _ask_tool(tool: Tool, arguments: Arguments) -> Verdict:
    needed = tool.needs_approval
    if callable(needed):
        try:
            needed = bool(needed(arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # somebody else's code; when in doubt a person is asked
            text = describe_raised(error)
            return Verdict("ask", f"the approval rule of {tool.name} raised {text}")
    if needed:
        return Verdict("ask", f"{tool.name} needs approval")
    return Verdict("allow")
