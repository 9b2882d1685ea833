"""What a tool gets with a call: checked arguments, and a Context that says where it runs."""

import contextlib
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .errors import NeedsDeps, UsageError
from .events import CallNoted, PendingDecision, Usage
from .pending import Pending
from .question import Answered
from .type_variables import DepsOfContext
from .values import Label

Arguments = Mapping[str, Any]
Check = Callable[[dict[str, Any]], Arguments]
"""Makes the arguments from the model's JSON object, or raises ToolError in words for the model."""


@dataclass(frozen=True)
class ChildResult:
    """What came of a child's turn."""

    answer: str
    usage: Usage
    cost_usd: float | None
    waiting: tuple[PendingDecision, ...] = ()
    """What people must decide before it can go on. If there is any, there is no answer yet."""
    failed: bool = False
    """There is no answer; `answer` says why."""
    labels: tuple[Label, ...] = ()
    """What the child's thread holds: the answer brings it along."""


class Notes(Protocol):
    """Writes the handles of one call's work elsewhere."""

    def note(self, handle: object) -> Awaitable[None]:
        """As `Context.note`."""
        ...

    def describe(self, pending: Pending) -> CallNoted:
        """The event of an attempt that ends without a result, which comes later."""
        ...


@dataclass(frozen=True)
class Context(Generic[DepsOfContext]):
    """Where a call runs. A parameter with this annotation gets it, and isn't shown to the model.

    `Context[Db]` says of which type the deps are. Where it is the first parameter, type checkers
    compare that with what the agent is given.
    """

    deps: DepsOfContext
    """What the caller gave to `run(deps=...)`: clients, settings, the user's id."""
    thread_id: str
    call_id: str
    idempotency_key: str
    """The same across retries, time-outs and crashes of this call: for services that honour one."""
    attempt: int
    traceparent: str = ""
    """The call's span, in the form of the header of the W3C's Trace Context: for services that the
    tool calls."""
    parent: object | None = None
    """For a tool whose calls run as children: see runtime/parent_context.py."""
    notes: Notes | None = None
    """Writes what the tool notes."""
    answers: tuple[Answered, ...] = ()
    """What the tool has asked a person in this call, by raising `Question`, and was told."""
    failures: int = 0
    """How many attempts have failed before this one. `attempt` counts also those that a question or
    the end of a process has cut short."""
    runs_unasked: Callable[[Arguments], bool] = lambda arguments: True
    """Whether a call of this tool with these arguments would run at once, by the agent's rules and
    the labels of the thread: for a tool that is led elsewhere, as by a redirect."""

    def note(self, handle: object) -> Awaitable[None]:
        """Write down what names the work that the tool begins elsewhere: `await ctx.note(...)`.

        So a post or the tool's `poll` can say what became of it, even if this process dies. A name
        that the tool chooses, such as its `idempotency_key`, can be noted before the work begins.
        A plain function calls it without `await`; it returns once that is written. Raises Stopped
        where another process has taken the thread: nothing may begin then.
        """
        if self.notes is None:
            raise UsageError("a handle is noted by a tool while its call runs, and only there")
        return self.notes.note(handle)


def read_hints(function: Callable[..., Any], whose: str) -> dict[str, Any]:
    """The types of a function's parameters. Raises UsageError for one that can't be found."""
    if not inspect.isroutine(function):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(f"{whose}: an annotation can't be read: {error}") from error


def find_context(hints: Mapping[str, Any]) -> str:
    """The name of the parameter that gets the Context; "" if there is none."""
    for name, hint in hints.items():
        if name != "return" and _is_context(hint):
            return name
    return ""


def name_deps(hint: Any) -> str:
    """The type of the deps without which a Context of this annotation is of no use; else ""."""
    if typing.get_origin(hint) is not Context:
        return ""
    [deps] = typing.get_args(hint)
    is_optional = type(None) in (deps, *typing.get_args(deps))
    if is_optional or isinstance(deps, TypeVar) or deps in (Any, object):
        return ""
    return getattr(deps, "__name__", str(deps))


def refuse_without_deps(what: str, needed: str, deps: object) -> None:
    """Raise NeedsDeps, before it is called, for code that needs deps where there are none.

    Else it would fail by itself, and the model would be told. `needed` is the type; "" for none.
    """
    if needed and deps is None:
        raise NeedsDeps(
            f"{what} needs deps, a {needed}, and there are none: give them, to resume too, as in"
            " agent.resume(thread, deps=...) and keep_going(agent, deps=...). The turn stays open"
        )


def refuse_code_without_deps(what: str, deps: object, *functions: Any) -> None:
    """As `refuse_without_deps`, by what the functions' annotations say that they need."""
    refuse_without_deps(what, find_needed_deps(*functions), deps)


def find_needed_deps(*functions: Any) -> str:
    """The type of the deps without which one of these functions is of no use; else ""."""
    for function in filter(callable, functions):
        with contextlib.suppress(UsageError):  # it is refused, in words, where it is to be called
            hints = read_hints(getattr(function, "func", function), "")
            for name, hint in hints.items():
                if name != "return" and (needed := name_deps(hint)):
                    return needed
    return ""


def _is_context(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _is_context(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        members = [each for each in typing.get_args(hint) if each is not type(None)]
        return len(members) == 1 and _is_context(members[0])
    return hint is Context or origin is Context
