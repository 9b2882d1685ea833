"""Asks the person at the terminal for decisions on waiting calls: approvals, answers, outcomes."""

import json
import re
import sys
from typing import Any, Literal

from msgspec.structs import replace

from ..core import events as e
from ..core.account import thread_of
from ..core.argument_globs import ANYTHING, exact_glob, fits_glob
from ..core.errors import IllegalEvent, UsageError
from ..core.limits import name_unit
from ..core.result import Result
from ..core.strict_json import value_of
from ..core.visible import (
    make_json_visible,
    make_visible,
    visible_block,
    visible_command,
    visible_line,
    visible_word,
)
from ..observe.permissions import describe_always
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..this_user import current_user
from .agents import Runner
from .amounts import read_amounts
from .terminal import Screen
from .thread_tree import read_tree

_OUTCOMES: dict[str, Literal["ran", "not_run", "tell"]] = {"d": "ran", "r": "not_run", "t": "tell"}


def ask_for_decisions(agent: Runner, result: Result, screen: Screen) -> bool:
    """Ask for every call that waits for a person; False if they leave the rest for later (Ctrl-D),
    and where only work elsewhere is waited for."""
    asked = [call for call in result.waiting if call.status != "pending"]
    try:
        for call in asked:
            if call.status == "question":
                _ask_question(agent, call, screen)
            elif call.status == "waiting":
                if _still_waits(agent, call):  # it may be allowed with one before
                    _ask_approval(agent, call, screen)
            elif call.status == "imported":
                if not _ask_adoption(agent, call, screen):
                    return False
            elif call.status == "parked":
                if not _ask_release(agent, call, screen):
                    return False
            elif call.status == "limit":
                if not _ask_more(agent, call, screen):
                    return False
            else:
                _ask_outcome(agent, call, screen)
    except EOFError:
        screen.note("")
        return False
    except IllegalEvent:
        screen.note("somebody else has decided meanwhile", "dim")
    return bool(asked)


def format_arguments(text: str, width: int | None = None) -> str:
    """All arguments of a call, one a line, for a person to judge.

    Lines of a long text begin with a bar, so that they can't look like other arguments; on a
    terminal of this width, those of a wide one too. A name with other characters than letters,
    digits, dots and dashes is quoted. Arguments that no tool accepts, such as JSON with a duplicate
    key, are shown as they were written.
    """
    arguments = arguments_of(text)
    if arguments is None:
        return visible_block(text, "  ", width)
    lines = []
    for key, value in arguments.items():
        name = key if re.fullmatch(r"[\w.-]+", key) else json.dumps(key, ensure_ascii=False)
        name = make_json_visible(name)
        if isinstance(value, str) and "\n" in value:
            lines.append(visible_block(f"{name}:", "  ", width))
            lines.append(visible_block(value, "  ", width))
        else:
            shown = make_json_visible(json.dumps(value, ensure_ascii=False))
            lines.append(visible_block(f"{name}: {shown}", "  ", width))
    return "\n".join(lines) or "  (no arguments)"


def arguments_of(text: str) -> dict[str, Any] | None:
    """The arguments of a call; None where they are no JSON object that a tool accepts."""
    try:
        arguments = value_of(text or "{}")
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _still_waits(agent: Runner, call: e.PendingDecision) -> bool:
    log = run_sync(open_log(call.thread_id, open_store(agent.store), agent.world))
    calls = log.state.turn.calls if log.state.turn else {}
    return call.id in calls and calls[call.id].status == "waiting"


def _ask_approval(agent: Runner, call: e.PendingDecision, screen: Screen) -> None:
    """Ask until the call is decided."""
    screen.note(f"{visible_word(call.name)} wants to run:", "bold")
    screen.note(format_arguments(call.final_arguments, screen.width))
    if call.reason:
        screen.note(visible_block(call.reason, width=screen.width), "dim")
    yes = e.ApprovalGiven(call.id, True, current_user(), digest=call.digest)
    while True:
        prompt = "Allow it? [y]es, [n]o, [a]lways in this turn, [e]dit: "
        match _read_line(prompt, screen).lower():
            case "y" | "yes":
                _post(agent, call, yes)
                return
            case "a" | "always":
                _post(agent, call, replace(yes, always=_ask_always(call, screen)))
                return
            case "n" | "no":
                prompt = "Why not? It is told to the model; Enter for no reason: "
                reason = _read_line(prompt, screen)
                _post(agent, call, replace(yes, allowed=False, reason=reason))
                return
            case "e" | "edit":
                if _allow_edited(agent, call, screen):
                    return


def _ask_always(call: e.PendingDecision, screen: Screen) -> e.Always:
    """Ask which further calls are allowed, argument by argument: by default those like this one."""
    arguments = arguments_of(call.final_arguments) or {}
    patterns: dict[str, str] = {}
    for name, value in arguments.items():
        prompt = (
            f"Which {visible_word(name)} may later calls have? Enter: only this one; a pattern such"
            " as docs/*; or * for any: "
        )
        while (pattern := _read_line(prompt, screen) or exact_glob(value)) != ANYTHING:
            if fits_glob(value, pattern):
                patterns[name] = pattern
                break
            screen.note("that doesn't fit this call itself", "red")
    always = e.Always(patterns)
    screen.note(f"allowed from now on: {make_visible(describe_always(call.name, always))}", "bold")
    return always


def _allow_edited(agent: Runner, call: e.PendingDecision, screen: Screen) -> bool:
    """Whether the person gave arguments that the tool accepts."""
    arguments = _edit(call.final_arguments, screen)
    if not arguments.strip():
        return False
    by = current_user()
    approval = e.ApprovalGiven(call.id, True, by, arguments=arguments, digest=call.digest)
    try:
        _post(agent, call, approval)
    except UsageError as error:
        screen.note(visible_block(str(error)), "red")
        return False
    return True


def _edit(arguments: str, screen: Screen) -> str:
    """The arguments as the person wants them; empty to go back."""
    shown = make_json_visible(arguments)
    editor = _make_editor()
    if editor is None:
        screen.note(visible_block(shown, "  ", screen.width))
        return _read_line("arguments (JSON, in one line; Enter alone to go back): ", screen)
    prompt = "arguments (JSON; Enter to run, Ctrl-C to go back): "
    try:
        return str(editor.prompt(prompt, default=shown))
    except KeyboardInterrupt:
        return ""


def _make_editor() -> Any:
    """What edits a line in place; None where it isn't installed, and on a dumb terminal."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.output import create_output
        from prompt_toolkit.utils import is_dumb_terminal
    except ImportError:
        return None
    return None if is_dumb_terminal() else PromptSession(output=create_output(stdout=sys.stderr))


def _ask_adoption(agent: Runner, call: e.PendingDecision, screen: Screen) -> bool:
    """Ask whether the thread counts as the person's own; whether it does now."""
    name = visible_line(call.thread_id, 200)
    look = visible_command(["treadle", "show", call.thread_id])
    screen.note(f"thread {name} was imported; look at it first: {look}", "bold")
    if _read_line("Adopt it, with its children? [y]es, [n]o: ", screen).lower()[:1] != "y":
        return False
    run_sync(agent.post(call.thread_id, e.TrustChanged(True, current_user())))
    return True


def _ask_release(agent: Runner, call: e.PendingDecision, screen: Screen) -> bool:
    """Ask whether a parked thread may go on; whether it may now."""
    screen.note(f"thread {visible_line(call.thread_id, 200)} is parked:", "bold")
    screen.note(visible_block(call.reason))
    if _read_line("Let it go on? [y]es, [n]o: ", screen).lower()[:1] != "y":
        return False
    _post(agent, call, e.ApprovalGiven("", True, current_user()))
    return True


def _ask_more(agent: Runner, call: e.PendingDecision, screen: Screen) -> bool:
    """Ask how much more a turn may use that waits at a limit; whether it may now."""
    held = find_held(run_sync(open_log(call.thread_id, open_store(agent.store), agent.world)))
    if held is None:
        return True  # somebody has raised it meanwhile
    screen.note(visible_block(call.reason), "bold")
    if not thread_of(held.account):
        again = visible_command(["treadle", "limit", call.thread_id, "--again"])
        screen.note(f"its limit stands in the code; once it is raised there: {again}")
        return False
    prompt = f"How many {name_unit(held.limit)} more? Enter leaves it: "
    while text := _read_line(prompt, screen):
        try:
            amounts = read_amounts({held.limit: text})
        except UsageError as error:
            screen.note(str(error), "yellow")
            continue
        run_sync(agent.raise_limit(call.thread_id, current_user(), **amounts))
        return True
    return False


def find_held(log: Log) -> e.LimitReached | None:
    """The limit of this thread at which it waits, or something that works for it."""
    for each in read_tree(log):
        held = held_in(each)
        if held and (thread_of(held.account) or each.thread_id) == log.thread_id:
            return held
    return None


def held_in(log: Log) -> e.LimitReached | None:
    """The limit at which the thread itself waits, its own or another's."""
    turn = log.state.turn
    return turn.held if turn and not turn.ended else None


def _ask_question(agent: Runner, call: e.PendingDecision, screen: Screen) -> None:
    screen.note(visible_block(call.reason, width=screen.width), "bold")
    answer = ""
    while not answer:
        answer = _read_line("Your answer: ", screen)
    _post(agent, call, e.UserSaid(answer, answers=call.id, by=current_user()))


def _ask_outcome(agent: Runner, call: e.PendingDecision, screen: Screen) -> None:
    """Ask what became of a call that was cut off: only a person can find out."""
    screen.note(f"{visible_word(call.name)} was interrupted; it may have had its effect:", "bold")
    screen.note(format_arguments(call.final_arguments, screen.width))
    if call.reason:
        screen.note(visible_block(call.reason))
    prompt = "It [d]id run; [r]un it (again); [t]ell the agent that nobody knows: "
    choice = ""
    while choice not in _OUTCOMES:
        choice = _read_line(prompt, screen).lower()[:1]
    content = ""
    if choice == "d":
        content = _read_line("What came of it? It is told to the model: ", screen) or "done"
    decided = e.OutcomeDecided(call.id, _OUTCOMES[choice], current_user(), content)
    _post(agent, call, replace(decided, digest=call.digest))


def _post(
    agent: Runner,
    call: e.PendingDecision,
    decision: e.ApprovalGiven | e.OutcomeDecided | e.UserSaid,
) -> None:
    run_sync(agent.post(call.thread_id, decision))


def _read_line(prompt: str, screen: Screen) -> str:
    """The line that the person types. Raises EOFError for Ctrl-D."""
    line = screen.read_line(prompt, "bold")
    if not line:
        screen.end_line()
        raise EOFError
    return line.strip()
