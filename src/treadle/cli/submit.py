"""`treadle submit`: says something, and leaves the turn to a worker."""

from typing import Any

from ..core.errors import UsageError
from ..core.events import UserSaid
from ..core.result import Result
from ..core.visible import visible_line
from ..engines import LocalEngine, open_engine
from ..flows.flow import Flow
from ..runtime.submit import Submitted
from ..runtime.sync import run_sync
from ..this_user import current_user
from .agents import make_runner
from .ending import EXIT_CODES, FAILED
from .options import AgentOptions
from .terminal import Screen, make_safe, print_line
from .worker_options import SubmitOptions


def submit(settings: SubmitOptions) -> int:
    """Say something in a thread or a new one, and leave the turn to a worker (treadle worker).

    Prints the thread's name. Without an engine, the next sweep of a worker finds it.
    """
    if not settings.text.strip():
        raise UsageError("the message is empty; say something")
    agent = make_runner(AgentOptions(db=settings.db, agent=settings.agent), False)
    if isinstance(agent, Flow):
        raise UsageError("a flow takes arguments, not a text: submit it from code, or over HTTP")
    said = UserSaid(settings.text, by=settings.by or current_user())
    engine = open_engine(settings.engine) or LocalEngine()

    async def whole() -> tuple[Submitted[Any], Result[Any] | None]:
        found = await agent.submit(said, thread=settings.thread, key=settings.key, engine=engine)
        return found, await found.result() if settings.wait else None

    submitted, result = run_sync(whole())
    if result is None:
        print_line(make_safe(submitted.thread_id))
        return 0
    ended = f"thread {visible_line(submitted.thread_id, 200)}: {result.status}"
    if result.reason:
        ended += f", {visible_line(result.reason, 200)}"
    Screen().note(ended, "dim")
    if result.answer:
        print_line(make_safe(result.answer))
    return EXIT_CODES.get(result.status, FAILED)
