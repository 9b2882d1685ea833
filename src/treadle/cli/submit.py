"""`treadle submit`: says something, and leaves the turn to a worker."""

from dataclasses import dataclass
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
from .options import ENGINE, AgentOptions, StoreOptions, work_option
from .parameters import make_argument, make_flag, make_option
from .terminal import Screen, make_safe, print_line


@dataclass(frozen=True, kw_only=True)
class SubmitOptions(StoreOptions):
    text: str = make_argument("TEXT", "What is said to the agent.")
    agent: str | None = make_option(
        "MODULE:NAME", "An agent that workers serve; none: Treadle's own."
    )
    engine: str | None = work_option("ADDRESS", ENGINE)
    thread: str | None = make_option("THREAD", "A thread; none: a new one.", short="-t")
    key: str | None = make_option("KEY", "Names the message: with the same key again, it is once.")
    by: str | None = make_option("NAME", "Who says it; else this system's user.")
    wait: bool = make_flag("Wait for the answer, and print it.")


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
