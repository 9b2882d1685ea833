"""What a person allows beforehand at the terminal: patterns of arguments, and `treadle revoke`."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.approvals import Permission
from ..core.argument_globs import ANYTHING, fits_glob
from ..core.errors import UsageError
from ..core.tool import Tool
from ..core.visible import make_visible, visible_command, visible_line
from ..observe.permissions import describe_always, describe_permission, find_permissions
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from ..this_user import current_user
from .agents import choose_store
from .ask_person import arguments_of
from .ending import next_command
from .options import StoreOptions, VerdictOptions
from .parameters import make_argument
from .terminal import Screen
from .thread_tree import read_tree
from .threads import open_thread


@dataclass(frozen=True, kw_only=True)
class RevokeOptions(VerdictOptions):
    call: str | None = make_argument(
        "CALL", "The call with which it was allowed; not needed if only one was.", None
    )


def revoke(settings: RevokeOptions) -> int:
    """Take back what --always allowed: from now on such calls ask again."""
    agent = Agent(store=choose_store(settings))
    log = open_thread(agent.store, settings.thread)
    found = find_permissions({each.thread_id: each.state for each in read_tree(log)})
    thread_id, permission = _choose(found, settings, log.thread_id)
    by = settings.by or current_user()
    run_sync(agent.post(thread_id, e.ApprovalGiven(permission.call_id, False, by, settings.why)))
    Screen().note(f"revoked: {make_visible(describe_always(permission.tool, permission.always))}")
    return 0


def _choose(
    found: Sequence[tuple[str, Permission]], settings: RevokeOptions, thread_id: str
) -> tuple[str, Permission]:
    """The permission that was given with the call, or the only one. Raises UsageError."""
    name = visible_line(thread_id, 200)
    matching = [each for each in found if settings.call in (None, each[1].call_id)]
    if len(matching) == 1:
        return matching[0]
    if not found:
        raise UsageError(f"nothing is allowed beforehand in thread {name}")
    listed = "; ".join(
        make_visible(describe_permission(each, at if at != thread_id else "")) for at, each in found
    )
    if matching:
        raise UsageError(f"say which CALL allowed what is to be revoked: {listed}")
    raise UsageError(
        f"call {settings.call} of thread {name} has allowed no others; allowed are: {listed}"
    )


def revoke_command(thread_id: str, permission: Permission, settings: StoreOptions) -> str:
    """The command line that takes a permission back."""
    return _revoke(thread_id, permission.call_id, settings)


def _revoke(thread_id: str, call_id: str, settings: StoreOptions) -> str:
    command = next_command("revoke", thread_id, StoreOptions(db=settings.db))
    return f"{command} {visible_command([call_id])}"


def announce_always(call: e.PendingDecision, always: e.Always, settings: StoreOptions) -> str:
    """What is allowed from now on, and the command that takes it back."""
    command = _revoke(call.thread_id, call.id, settings)
    allowed = make_visible(describe_always(call.name, always))
    return f"allowed from now on: {allowed}; take it back: {command}"


def read_always(only: Sequence[str], call: e.PendingDecision, tool: Tool | None) -> e.Always:
    """The permission with these patterns, such as `path=docs/*`; without any, for all arguments.

    Raises UsageError for a pattern that doesn't fit the call itself, and for an argument that the
    tool doesn't take, as far as it is known here.
    """
    arguments = arguments_of(call.final_arguments) or {}
    patterns: dict[str, str] = {}
    for text in only:
        name, equals, pattern = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--only takes NAME=GLOB, such as path='docs/*'; not {text!r}")
        if name in patterns:
            raise UsageError(f"--only names {name} twice; a call must fit one pattern for it")
        known = sorted({*arguments, *(tool.parameters.get("properties", ()) if tool else ())})
        if name not in arguments and tool and name not in known:
            raise UsageError(f"{call.name} takes no {name}; it takes: {', '.join(known)}")
        if name in arguments and not fits_glob(arguments[name], pattern):
            raise UsageError(
                f"{text!r} doesn't fit this call itself, whose {name} is {arguments[name]!r}; in"
                " a value with `..` or a line break, a glob fits only as `*`"
            )
        if pattern != ANYTHING:
            patterns[name] = pattern
    return e.Always(patterns)
