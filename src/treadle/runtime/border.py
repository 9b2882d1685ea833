"""Where somebody else's code ends: tools, models and the code of flows run behind this border.

What asyncio treats specially doesn't pass it as it is. A SystemExit or KeyboardInterrupt that a
task raises ends the whole event loop, with everybody else's work; a CancelledError that nobody
asked for looks like a cancelled turn. Only what comes from outside passes: a real cancellation,
and Ctrl-C.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable
from typing import TypeVar

from ..core.raised import in_words

T = TypeVar("T")


async def contain(work: Awaitable[T], whose: str) -> T:
    """Await the work. What isn't an Exception is raised as a RuntimeError that names `whose` it is.

    A cancellation of the task, Ctrl-C, and the end of the coroutine itself are raised as they are.
    """
    task = asyncio.current_task()
    try:
        return await work
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
        raise RuntimeError(f"{whose} was cancelled from within") from None
    except Exception:
        raise
    except BaseException as error:
        closed = isinstance(error, GeneratorExit) and asyncio.current_task() is not task
        if closed or is_ctrl_c(error):
            raise
        raise in_words(error, whose) from error


def is_ctrl_c(error: BaseException) -> bool:
    """Whether this may be a person's Ctrl-C.

    Python raises that in the main thread only, and only where nobody else handles the signal, as
    asyncio.run does.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler
