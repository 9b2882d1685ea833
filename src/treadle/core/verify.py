"""What a tool's `verify` is asked and answers: what became of a call of unknown outcome. Pure.

1. It is given those arguments of the call that it has parameters for, and a Context, if it has a
   parameter for that, with the idempotency key of the call's attempts.
2. It only looks. It is asked again wherever a process dies before its answer is written.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .context import find_context, read_hints
from .errors import UsageError
from .name_kind import function_name, is_generator

VERIFY = "verify"
"""`OutcomeDecided.by` where a tool's `verify` has settled a call, or can't."""


@dataclass(frozen=True)
class Ran:
    """The call had its effect. `result` is what the tool would have returned."""

    result: Any = None


@dataclass(frozen=True)
class DidNotRun:
    """The call has had no effect so far. Something that is still on its way may have it yet."""


@dataclass(frozen=True)
class CannotTell:
    """Nobody can see whether the call had its effect: a person decides, or the agent's policy."""

    reason: str = ""
    """For that person."""


@dataclass(frozen=True)
class VerifySignature:
    """How a `verify` is called."""

    names: frozenset[str] | None
    """Its parameters for the call's arguments; None: it takes all."""
    context: str
    """Its parameter for the Context; "" if it has none."""

    def keywords(self, arguments: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """What to call it with."""
        chosen = {
            name: value
            for name, value in arguments.items()
            if (self.names is None or name in self.names) and name != self.context
        }
        if self.context:
            chosen[self.context] = context
        return chosen


def read_verify(verify: Callable[..., Any], takes: Iterable[str], whose: str) -> VerifySignature:
    """How this `verify` is called. Raises UsageError for one that can't be.

    `takes` are the names of the call's arguments, `whose` says in errors whose it is.
    """
    if not callable(verify):
        raise UsageError(
            f"{whose} has verify={verify!r}, which is no function: give one that gets the call's"
            " arguments and returns Ran(result), DidNotRun() or CannotTell(reason)"
        )
    inner = getattr(verify, "func", verify)
    name = function_name(verify)
    try:
        parameters = inspect.signature(verify).parameters.values()
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{whose}: the signature of verify={name} can't be read: {error}"
        ) from None
    context = find_context(read_hints(inner, f"{whose}: verify={name}"))
    known = set(takes)
    names: set[str] = set()
    takes_all = False
    for each in parameters:
        takes_all = takes_all or each.kind is each.VAR_KEYWORD
        if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL) or each.name == context:
            continue
        if each.name in known and each.kind is not each.POSITIONAL_ONLY:
            names.add(each.name)
        elif each.default is each.empty:
            raise UsageError(
                f"{whose}: verify={name} has a parameter {each.name!r}, which is no argument of the"
                f" call (it has: {', '.join(sorted(known)) or 'none'}). It may take any of these by"
                " name, and a Context"
            )
    return VerifySignature(None if takes_all else frozenset(names), context)


def refuse_verify(name: str, verify: Any, *, idempotent: bool, runs: bool) -> None:
    """Raise UsageError where a tool with these settings has no use for a `verify`, or lacks one."""
    if not verify:
        raise UsageError(
            f"tool {name!r} has honours_key=True and no verify. Without one, say idempotent=True:"
            " it runs again under the same key"
        )
    if is_generator(verify):
        raise UsageError(f"tool {name!r}: verify is a generator; return one answer instead")
    if idempotent:
        raise UsageError(
            f"tool {name!r} is idempotent and has a verify, which would never be asked: it simply"
            " runs again. Leave one of them out"
        )
    if not runs:
        raise UsageError(
            f"tool {name!r} has a verify, but its calls never have an unknown outcome: a person"
            " answers them, or a thread of their own has what they did"
        )


def refuse_verify_of_method(method: Any, verify: Any) -> None:
    """Raise UsageError where the method of a class can't have this verify."""
    if verify:
        takes = {*parameter_names(getattr(method, "__func__", method)), "self", "cls"}
        read_verify(getattr(verify, "__func__", verify), takes, method.__qualname__)


def bind_verify(settings: dict[str, Any], owner: Any, kind: Any) -> dict[str, Any]:
    """The settings; a verify that is the class's own is a method of this object."""
    verify = settings.get("verify")
    is_own = isinstance(verify, classmethod)
    if inspect.isfunction(verify):
        is_own = next(iter(parameter_names(verify)), "") in ("self", "cls")
    if not is_own:
        return settings
    return settings | {"verify": verify.__get__(owner, kind)}  # type: ignore[union-attr]


def parameter_names(function: Callable[..., Any] | None) -> list[str]:
    """The names of its parameters; none where it doesn't tell."""
    try:
        return list(inspect.signature(function).parameters) if function else []
    except (ValueError, TypeError):
        return []
