"""What people have allowed beforehand, in words. Pure."""

from collections.abc import Mapping
from typing import Literal

from ..core import events as e
from ..core.approvals import Permission
from ..core.state import State
from .short_text import VALUE, shorten


def find_permissions(states: Mapping[str, State]) -> list[tuple[str, Permission]]:
    """The permissions that stand in these threads, each with its thread's id."""
    return [(thread_id, each) for thread_id, state in states.items() for each in state.permissions]


def describe_permissions(thread_id: str, states: Mapping[str, State]) -> list[str]:
    """The permissions that stand in these threads, a sentence each. `thread_id` is spoken of."""
    return [
        describe_permission(each, at if at != thread_id else "")
        for at, each in find_permissions(states)
    ]


def describe_permission(permission: Permission, thread_id: str = "") -> str:
    """A permission as a sentence: which calls, how long, by whom, how it is taken back.

    `thread_id` is given if it isn't the thread that is spoken of.
    """
    what = describe_always(permission.tool, permission.always)
    where = f" in thread {thread_id}" if thread_id else ""
    return (
        f"{what}{where}; allowed for agent {permission.agent} by {permission.by}, and taken back by"
        f" refusing {permission.call_id}"
    )


def describe_always(tool: str, always: e.Always) -> str:
    """Which calls a permission allows, and how long."""
    fits = [
        f"{shorten(name, VALUE)} is {shorten(pattern, VALUE)}"
        for name, pattern in always.arguments.items()
    ]
    which = f" where {' and '.join(fits)}" if fits else " with any arguments"
    return f"{shorten(tool, VALUE)}{which}, {_how_long(always.lasts)}"


def _how_long(lasts: Literal["turn", "thread"]) -> str:
    if lasts == "turn":
        return "until the turn ends"
    return "for the rest of the thread"


def describe_approval(given: e.ApprovalGiven, tool: str, revokes: bool) -> str:
    """What a person has decided on a call of that tool, and from then on."""
    tool = shorten(tool, VALUE)
    if revokes and not given.allowed:
        return f"✗ {given.by} takes back what {given.call_id} {tool} allowed beforehand"
    if not given.allowed:
        return f"✗ {given.call_id} {tool} denied by {given.by}"
    text = f"✓ {given.call_id} {tool} allowed by {given.by}"
    if given.always:
        text += f", and from now on {describe_always(tool, given.always)}"
    return text
