"""Asks one check, which is somebody else's function, about one thing. Writes nothing."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from types import NoneType
from typing import Any

from ..core.checks import Allow, Change, Said
from ..core.context import Context
from ..core.name_kind import function_name
from ..core.raised import describe_raised
from ..models.known_secrets import redact_known
from .border import is_ctrl_c
from .bounded import TooLong, run_within
from .call_function import call_function
from .tool_result import clean

MAX_CHECK_S = 60.0
MAX_REASON_CHARS = 2000


class CheckFailed(Exception):
    """The check has raised, took too long or gave no verdict; the message says which."""


async def ask_check(
    function: Callable[[Any, Context], Any], what: Any, context: Context, *may: type
) -> Said:
    """What the function says of this: None, or one of the verdicts that it may give here.

    Raises CheckFailed.
    """
    name = function_name(function)
    whose = f"the async check {name}"
    work = call_function(partial(function, what, context), {}, name, whose)
    forms = ", ".join(["None", *(f"{each.__name__}(...)" for each in may)])
    said: Said = await answer_within(MAX_CHECK_S, work, name, whose, (NoneType, *may), forms)
    return said


async def answer_within(
    seconds: float | None,
    work: Coroutine[Any, Any, Any],
    name: str,
    whose: str,
    may: tuple[type, ...],
    forms: str,
) -> Any:
    """What the work of somebody else's function gives, which may be one of these types.

    `forms` says that in words, and `whose` names it as `run_within` does. Raises CheckFailed.
    """
    try:
        said = await run_within(seconds, work, whose)
    except asyncio.CancelledError:
        raise
    except TooLong:
        raise CheckFailed(f"{name} took longer than {seconds:g} s") from None
    except BaseException as error:  # another's code, as a tool is
        if is_ctrl_c(error):
            raise
        raise CheckFailed(f"{name} raised {describe_raised(error)}") from None
    if isinstance(said, may):
        return said
    kind = said.__name__ if inspect.isclass(said) else type(said).__name__
    raise CheckFailed(f"{name} returned {kind}; it may return {forms}")


def reason_of(said: Said) -> str:
    """The reason that a verdict gives, without secrets; "" for none."""
    if said is None or isinstance(said, Allow):
        return ""
    return redact_known(clean(str(said.reason)))[:MAX_REASON_CHARS]


def text_to(name: str, change: Change) -> str:
    """What a Change puts in the place of a text. Raises CheckFailed where that is no text."""
    if isinstance(change.to, str):
        return clean(change.to)
    raise CheckFailed(f"{name} changed it to {type(change.to).__name__}; give a text")
