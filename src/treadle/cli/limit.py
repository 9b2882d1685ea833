"""`treadle limit`: what a turn has used of its limits, and letting it use more."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from ..core import events as e
from ..core.account import describe_account, thread_of
from ..core.errors import IllegalEvent, UsageError
from ..core.limits import RAISED, Limits, format_amount, name_unit
from ..core.turn_after import may_raise
from ..core.visible import make_visible, visible_line
from ..observe.account_lines import describe_accounts
from ..observe.amounts import format_cost, format_seconds
from ..observe.turn_lines import describe_raise
from ..runtime.agent import Agent
from ..runtime.children import refuse_child
from ..runtime.log import Log
from ..runtime.read_accounts import AccountInfo, Known, find_turn_limits, read_accounts
from ..runtime.sync import run_sync
from ..this_user import current_user
from .agents import (
    Runner,
    choose_store,
    known_settings,
    make_runner,
    names_agent,
    refuse_other,
)
from .amounts import option_of, read_amounts
from .ask_person import find_held, held_in
from .choose_call import describe_last_decision
from .decisions import DecisionOptions, resume_or_say_how
from .ending import next_command
from .options import WHY
from .parameters import make_flag, make_option
from .tables import format_table
from .terminal import Screen, print_as_json, print_line
from .thread_tree import read_tree, root_log
from .threads import open_thread, write


@dataclass(frozen=True, kw_only=True)
class LimitOptions(DecisionOptions):
    tokens: str | None = make_option("+N", "So many tokens more.")
    usd: str | None = make_option("+USD", "So many US dollars more.")
    steps: str | None = make_option("+N", "So many model calls more.")
    tool_calls: str | None = make_option("+N", "So many tool calls more; of a flow, steps.")
    seconds: str | None = make_option("+SECONDS", "So many seconds of work more.")
    again: bool = make_flag("Raise nothing; what waits for a limit tries again.")
    reason: str = make_option("TEXT", WHY, "")
    json: bool = make_flag("What is used, as JSON; with --resume, records as JSON Lines.")


def limit(settings: LimitOptions) -> int:
    """Let a turn that waits at a limit, or has ended at one, use more; it goes on when resumed.

    Without an amount: what is used and reserved, by whom, of how much.
    """
    given = {name: getattr(settings, name) for name in RAISED if name != "cost_usd"}
    amounts = read_amounts({"cost_usd": settings.usd} | given)
    if settings.again and amounts:
        raise UsageError("--again raises nothing: leave it out, what waits tries again anyway")
    if settings.go_on and not (amounts or settings.again):
        raise UsageError("--resume is for after a raise: say how much more, or --again")
    agent: Runner = Agent(store=choose_store(settings))
    if names_agent(settings) or settings.go_on:
        agent = make_runner(settings, True)
    log = open_thread(agent.store, settings.thread)
    if not amounts and not settings.again:
        return _print_limits(log, known_settings(agent, settings), settings)
    if settings.go_on:
        refuse_other(settings, root_log(log).state, " to go on; nothing was written")
    _refuse_useless(log, settings)
    amounts["reason"] = settings.reason
    raised = e.LimitRaised(settings.by or current_user(), **amounts)
    waiting = [each.thread_id for each in read_tree(log) if held_in(each)]
    write(agent.raise_limit(log.thread_id, raised.by, **amounts))
    for thread_id in waiting if settings.again else ():
        if thread_id != log.thread_id:
            with suppress(IllegalEvent):  # it goes on already
                run_sync(agent.raise_limit(thread_id, raised.by, **amounts))
    return _finish(log, raised, agent, settings)


def _refuse_useless(log: Log, settings: LimitOptions) -> None:
    """Raise UsageError where nothing would come of it, with what helps instead."""
    turn = log.state.turn
    if turn is None or not may_raise(turn):
        raise UsageError(
            f"thread {visible_line(log.thread_id, 200)} has no turn that waits at a limit or has"
            f" ended at one: {describe_last_decision(log)}; nothing was written"
        )
    if turn.ended:
        refuse_child(log, "its call has its result; nothing was written")
    if settings.again or find_held(log):
        return
    held = next(filter(None, map(held_in, read_tree(log))), None)
    if held is None:
        return
    if top := thread_of(held.account):
        raise UsageError(
            f"what waits here waits for a limit of thread {visible_line(top, 200)}:"
            f" {next_command('limit', top, settings)} --tokens +N; nothing was written"
        )
    raise UsageError(
        f"what waits here waits for {visible_line(describe_account(held.account), 200)}, whose"
        " limit stands in the code: raise it there, then"
        f" {next_command('limit', log.thread_id, settings)} --again; nothing was written"
    )


def _finish(log: Log, raised: e.LimitRaised, agent: Runner, settings: LimitOptions) -> int:
    """Say what was raised; then resume, or say how to."""
    screen = Screen()
    if not settings.quiet:
        name = visible_line(log.thread_id, 200)
        screen.note(f"thread {name}: {visible_line(describe_raise(raised), 200)}", "bold")
        reached = find_held(log) or _ended_at(log)
        if reached and not settings.again and not getattr(raised, reached.limit, 0):
            most = f"{format_amount(reached.allowed)} {name_unit(reached.limit)}"
            screen.note(f"but the limit that it has reached is another: {most}", "yellow")
    return resume_or_say_how(log, agent, settings, screen)


def _ended_at(log: Log) -> e.LimitReached | None:
    turn = log.state.turn
    return turn.limit if turn and turn.ended and turn.ended.status == "limit" else None


def _print_limits(log: Log, known: Known, settings: LimitOptions) -> int:
    accounts = run_sync(read_accounts(log, known))
    limits = find_turn_limits(log, known)
    if settings.json:
        print_as_json(_to_json(log, limits, accounts))
        return 0
    print_line(f"thread {visible_line(log.thread_id, 200)}", "bold")
    print_line(format_table(list(_rows(log, limits, accounts))))
    if limits is None:
        name = visible_line(log.state.agent, 100)
        print_line(f"its limits stand in the code of {name}: --agent MODULE:NAME")
    print_accounts(accounts)
    reached = find_held(log) or _ended_at(log)
    if reached and reached.limit in RAISED:
        more = f"{next_command('limit', log.thread_id, settings)} {option_of(reached.limit)} +N"
        Screen().note(f"let it use more: {more}", "dim")
    return 0


def print_accounts(accounts: Sequence[AccountInfo]) -> None:
    """Say of each account what it has come to. Prints nothing where there is none."""
    if not accounts:
        return
    print_line("its model calls are paid from:")
    for line in describe_accounts(accounts):
        print_line(f"  {make_visible(line)}")


def _rows(
    log: Log, limits: Limits | None, accounts: Iterable[AccountInfo]
) -> Iterator[tuple[str, str]]:
    """Of each limit of the turn, what is used and how much that may be."""
    for name, used in _used(log, accounts).items():
        shown = _format(name, used)
        if limits:
            allowed = getattr(limits, name)
            shown += ", no limit" if allowed is None else f" of {_format(name, allowed)}"
        yield name.replace("_usd", "").replace("_", " "), shown


def _used(log: Log, accounts: Iterable[AccountInfo]) -> dict[str, float]:
    """By limit; tokens and dollars with those of all that works for the turn."""
    used: dict[str, float] = msgspec.structs.asdict(log.state.spent)
    for account in accounts:
        if log.state.turn and account.name == log.state.turn.account:
            used |= {"tokens": account.tokens, "cost_usd": account.usd}
    return used


def _format(name: str, amount: float) -> str:
    if name == "cost_usd":
        return format_cost(amount)
    if name == "seconds":
        return format_seconds(amount)
    return f"{amount:,}"


def _to_json(log: Log, limits: Limits | None, accounts: Sequence[AccountInfo]) -> dict[str, object]:
    most = None
    if limits:
        most = {name: getattr(limits, name) for name in RAISED}
    return {
        "thread_id": log.thread_id,
        "used": _used(log, accounts),
        "limits": most,
        "accounts": accounts,
    }
