"""What a waiting turn asks of the person at the terminal, in place: approvals, questions, interrupted calls."""

import getpass
import json
import sys
from typing import Literal

from ..core import events as e
from ..core.errors import IllegalEvent, UsageError
from ..core.result import Result
from ..core.strict_json import value_of
from ..observe.visible import make_json_visible, visible_block, visible_word
from ..runtime.sync import run_sync
from .runner import Runner
from .terminal import Screen

_CHOICES = {
    "y": "y",
    "yes": "y",
    "n": "n",
    "no": "n",
    "a": "a",
    "always": "a",
    "e": "e",
    "edit": "e",
}


def ask_for_decisions(agent: Runner, result: Result, screen: Screen) -> bool:
    """Ask for every waiting call; False if the person leaves the rest for later (Ctrl-D)."""
    always: set[tuple[str, str]] = set()
    try:
        for call in result.waiting:
            if call.status == "question":
                _question(agent, call.thread_id, call, screen)
            elif (call.thread_id, call.name) in always:
                run_sync(agent.post(call.thread_id, e.ApprovalGiven(call.id, True, current_user())))
            elif call.status == "waiting":
                always |= _approval(agent, call.thread_id, call, screen)
            else:
                _outcome(agent, call.thread_id, call, screen)
    except EOFError:
        screen.note("")
        return False
    except IllegalEvent:
        screen.note("somebody else has decided meanwhile", "dim")
    return True


def format_arguments(text: str) -> str:
    """All of a call's arguments, for a person to judge: one a line, long texts behind a bar they can't fake.

    What no tool takes, as JSON that says a key twice, is shown as it was written.
    """
    try:
        arguments = value_of(text or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return visible_block(text, "  ")
    lines = []
    for key, each in arguments.items():
        if isinstance(each, str) and "\n" in each:
            lines.append(f"  {visible_word(key)}:")
            lines.append(visible_block(each, "  "))
        else:
            lines.append(
                f"  {visible_word(key)}: {make_json_visible(json.dumps(each, ensure_ascii=False))}"
            )
    return "\n".join(lines) or "  (no arguments)"


def _approval(
    agent: Runner, thread_id: str, call: e.PendingDecision, screen: Screen
) -> set[tuple[str, str]]:
    """Ask until the call is decided; the tools that are now allowed for the rest of the thread."""
    screen.note(f"{visible_word(call.name)} wants to run:", "bold")
    screen.note(format_arguments(call.final_arguments))
    if call.reason:
        screen.note(visible_block(call.reason), "dim")
    by = current_user()
    while True:
        said = _line("Allow it? [y]es, [n]o, [a]lways in this thread, [e]dit: ", screen).lower()
        choice = _CHOICES.get(said, "")
        if choice == "n":
            reason = _line("Why not? It is told to the model; Enter for no reason: ", screen)
            run_sync(agent.post(thread_id, e.ApprovalGiven(call.id, False, by, reason)))
            return set()
        if choice in ("y", "a"):
            run_sync(
                agent.post(thread_id, e.ApprovalGiven(call.id, True, by, always=choice == "a"))
            )
            return {(thread_id, call.name)} if choice == "a" else set()
        if choice == "e" and _edited(agent, thread_id, call, screen):
            return set()


def _edited(agent: Runner, thread_id: str, call: e.PendingDecision, screen: Screen) -> bool:
    """Whether the person gave arguments that the tool takes."""
    arguments = _edit(call.final_arguments)
    if not arguments.strip():
        return False
    try:
        run_sync(
            agent.post(
                thread_id, e.ApprovalGiven(call.id, True, current_user(), arguments=arguments)
            )
        )
    except UsageError as error:
        screen.note(visible_block(str(error)), "red")
        return False
    return True


def _edit(arguments: str) -> str:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.output import create_output

    session: PromptSession[str] = PromptSession(output=create_output(stdout=sys.stderr))
    try:
        return session.prompt(
            "arguments (JSON; Enter to run, Ctrl-C to go back): ",
            default=make_json_visible(arguments),
        )
    except KeyboardInterrupt:
        return ""


def _question(agent: Runner, thread_id: str, call: e.PendingDecision, screen: Screen) -> None:
    screen.note(visible_block(call.reason), "bold")
    answer = ""
    while not answer:
        answer = _line("Your answer: ", screen)
    run_sync(agent.post(thread_id, e.UserSaid(answer, answers=call.id, by=current_user())))


def _outcome(agent: Runner, thread_id: str, call: e.PendingDecision, screen: Screen) -> None:
    """Of a call that was under way when its process died: only a person can find out what came of it."""
    screen.note(f"{visible_word(call.name)} was interrupted; it may have had its effect:", "bold")
    screen.note(format_arguments(call.final_arguments))
    outcomes: dict[str, Literal["ran", "not_run", "tell"]] = {
        "d": "ran",
        "r": "not_run",
        "t": "tell",
    }
    said = ""
    while said not in outcomes:
        said = _line(
            "It [d]id run; [r]un it (again); [t]ell the agent that nobody knows: ", screen
        ).lower()[:1]
    content = _line("What came of it? It is told to the model: ", screen) if said == "d" else ""
    decided = e.OutcomeDecided(
        call.id, outcomes[said], current_user(), (content or "done") if said == "d" else ""
    )
    run_sync(agent.post(thread_id, decided))


def _line(prompt: str, screen: Screen) -> str:
    """What the person types. Raises EOFError at Ctrl-D."""
    screen.end_line()
    screen.piece(prompt, "bold")
    line = sys.stdin.readline()
    screen.end_line() if not line else screen.answered()
    if not line:
        raise EOFError
    return line.strip()


def current_user() -> str:
    """Who decides, as the log will say."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return "the terminal"
