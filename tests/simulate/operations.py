"""What people and programs do through the public API, each within a process, and what must come of it."""

import asyncio
import json
from collections.abc import Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from simulate.cast import FLOW_KINDS
from simulate.process import OPERATION, Operation, Process
from treadle import Result, UserSaid
from treadle.core.errors import (
    Fenced,
    IllegalEvent,
    ModelError,
    SeqTaken,
    StoreError,
    TurnFailed,
    TurnOpen,
    UsageError,
)
from treadle.engines import Job
from treadle.engines.engine import Work
from treadle.runtime.follow import LOST_S
from treadle.workers.done import Done

if TYPE_CHECKING:
    from simulate.simulation import Simulation

ENDED = ("answered", "limit", "failed", "refused", "cancelled")


class Operations:
    """Starts operations and judges how each ends."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.all: list[Operation] = []
        self._jobs = 0

    @property
    def running(self) -> list[Operation]:
        return [each for each in self.all if each.is_running]

    def say(self, process: Process, thread: str, *, streams: bool = False) -> Operation:
        """A person says something to a thread of an agent, or starts a flow or a graph."""
        kind = "stream" if streams else "run"
        return self._start(process, kind, thread)

    def resume(
        self, process: Process, thread: str, *, takes: bool = False, again: bool = False
    ) -> Operation:
        """`again`: what has failed in a flow runs again."""
        return self._start(process, "resume", thread, takes, "again" if again else None)

    def post(self, process: Process, thread: str, event: Any) -> Operation:
        return self._start(process, "post", thread, event=event)

    def settle(self, process: Process, thread: str, number: int) -> Operation:
        """What became of work elsewhere is posted, by its handle alone."""
        return self._start(process, "settle", thread or "alone-0", event=number)

    def steer(self, process: Process, thread: str) -> Operation:
        """A person says something to a thread, a child too, and resumes what nobody drives."""
        return self._start(process, "steer", thread, event=UserSaid(""))

    def submit(self, process: Process, thread: str, key: str) -> Operation:
        """A person leaves something to the workers."""
        return self._start(process, "submit", thread, event=key)

    def do_job(self, process: Process, job: Job, work: Work) -> Operation:
        """A worker does a job. Not among `all`: nobody waits for it."""
        self._jobs += 1
        operation = Operation(self._jobs, process, f"{job.kind} job", job.name)
        self._simulation.note(process, f"{operation}: {job.id}")
        operation.task = process.spawn(self._do_job(operation, work(job)))
        return operation

    async def _do_job(self, operation: Operation, doing: Awaitable[float | None]) -> float | None:
        OPERATION.set(operation)
        try:
            again_s = await doing
        except Exception as error:
            self._violate("a worker raises nothing", operation, repr(error))
            return None
        self._simulation.note(operation.process, f"{operation} ends: {operation.result}")
        self._judge_job(operation)
        return again_s

    def _start(
        self, process: Process, kind: str, thread: str, takes: bool = False, event: Any = None
    ) -> Operation:
        operation = Operation(len(self.all) + 1, process, kind, thread, takes)
        self.all.append(operation)
        self._simulation.note(process, f"{operation} of {thread} {event or ''}")
        operation.task = process.spawn(self._work(operation, event))
        return operation

    def leave(self, operation: Operation) -> None:
        """Its caller goes away: the task is cancelled."""
        assert operation.task
        if not operation.is_over:
            operation.leaves = True
            self._simulation.note(operation.process, f"{operation} is cancelled")
            operation.task.cancel()

    async def _work(self, operation: Operation, event: Any) -> None:
        OPERATION.set(operation)
        try:
            operation.result = await self._do(operation, event)
        except asyncio.CancelledError as error:
            operation.error = error
        except Exception as error:
            operation.error = error
        operation.is_over = True
        shown = operation.error or getattr(operation.result, "status", "done")
        self._simulation.note(operation.process, f"{operation} ends: {shown!r}")
        self._judge(operation, event)

    async def _do(self, operation: Operation, event: Any) -> Any:
        top = operation.thread.partition(".")[0]
        kind = top.partition("-")[0]
        runner = operation.process.find_runner(kind)
        match operation.kind:
            case "resume":
                given = {"retry_failed": True} if event else {}
                return await runner.resume(operation.thread, take=operation.takes, **given)
            case "post":
                return await runner.post(operation.thread, event)
            case "submit":
                return await self._submit(runner, operation, event)
            case "settle":
                return await runner.settle({"job": event}, self._simulation.jobs.end(event))
            case "stream":
                return await self._stream(runner, operation)
            case "steer" if kind in (*FLOW_KINDS, "order"):
                return await runner.post(operation.thread, UserSaid("a flow sees none"))
            case "steer":
                return await self._steer(runner, operation)
        if kind in FLOW_KINDS:
            work = self._simulation.draw_work()
            return await runner.options(thread=operation.thread).run(work)
        if kind == "order":
            return await runner.options(thread=operation.thread).run(n=self._simulation.count())
        return await runner.run(f"message {operation.number}", thread=operation.thread)

    async def _submit(self, runner: Any, operation: Operation, key: str) -> Any:
        kind, engine = runner.name, operation.process.engine
        if kind not in (*FLOW_KINDS, "order"):
            thread = operation.thread
            return await runner.submit(f"submitted {key}", thread=thread, key=key, engine=engine)
        options = runner.options(thread=operation.thread, key=key, engine=engine)
        if kind == "order":
            return await options.submit(n=int(key))
        return await options.submit(self._simulation.draw_work_of(key))

    async def _steer(self, runner: Any, operation: Operation) -> None:
        steered = await runner.steer(operation.thread, f"message {operation.number}")
        if steered.to_resume and self._simulation.chance.random() < 0.7:
            self.resume(operation.process, steered.to_resume)

    async def _stream(self, runner: Any, operation: Operation) -> Any:
        said = f"message {operation.number}"
        async with aclosing(runner.stream(said, thread=operation.thread)) as stream:
            async for item in stream:
                if isinstance(item, Result):
                    return item
        return None

    # What must come of it

    def _violate(self, promise: str, operation: Operation, words: str) -> None:
        self._simulation.violate(promise, f"{operation} of {operation.thread}: {words}")

    def _judge(self, operation: Operation, event: Any) -> None:
        if operation.kind in ("post", "steer"):
            self._judge_post(operation, event)
            return
        if operation.kind == "submit":
            self._judge_submitted(operation)
            return
        if operation.kind == "settle":
            self._judge_settled(operation, event)
            return
        error = operation.error
        if operation.leaves:
            self._judge_left(operation)
        if error is None:
            self._judge_result(operation, operation.result)
        elif isinstance(error, TurnFailed | ModelError):
            result = error.result
            if result is not None:
                self._judge_result(operation, result)
            elif "failed" not in self._ends(operation):
                self._violate("results are the log's", operation, repr(error))
        elif not self._is_expected(operation, error):
            self._violate("every caller gets its result", operation, repr(error))

    def _ends(self, operation: Operation) -> list[str]:
        shadow = self._simulation.check.threads.get(operation.thread)
        if shadow is None:
            return []
        return [end.status for ends in shadow.ends.values() for end in ends.values()]

    def _is_expected(self, operation: Operation, error: BaseException) -> bool:
        if isinstance(error, asyncio.CancelledError):
            return operation.leaves
        if isinstance(error, TurnOpen):
            return operation.kind in ("run", "stream")
        if isinstance(error, Fenced):
            return self._may_be_fenced(operation)
        if isinstance(error, SeqTaken):
            return False
        if operation.kind == "stream":  # another caller's work is followed, and fails of its store
            return isinstance(error, StoreError) and self._simulation.database.has_failed
        return isinstance(error, StoreError) and operation.faults > 0

    def _may_be_fenced(self, operation: Operation) -> bool:
        """Whether somebody has taken its thread who may."""
        simulation = self._simulation
        if not simulation.database.has_attendance or operation.process.last_paused_at:
            return True
        shadow = simulation.check.threads.get(operation.thread)
        if shadow is None:
            return False
        takers = [each for each in shadow.claims.values() if each is not operation]
        return any(each and (each.takes or each.kind == "post") for each in takers)

    def _judge_left(self, operation: Operation) -> None:
        """Whoever goes away cancels the turn, where nothing keeps that from being written."""
        shadow = self._simulation.check.threads.get(operation.thread)
        if shadow is None or operation.faults or not shadow.is_open:
            return
        if operation.kind in ("post", "stream"):  # leaving a stream stops nothing
            return
        if shadow.state.turn and shadow.state.turn.opened_seq != operation.turn:
            return  # somebody has said more since
        is_ours = shadow.claims.get(shadow.state.claim) is operation
        if is_ours and isinstance(operation.error, asyncio.CancelledError):
            self._violate("a caller who goes away cancels the turn", operation, "it is open")

    def _judge_result(self, operation: Operation, result: Any) -> None:
        shadow = self._simulation.check.threads[operation.thread]
        if result and result.status == "unfinished" and self._is_left(operation, shadow, result):
            return
        if result is None or result.status not in (*ENDED, "waiting"):
            self._violate("every caller gets its result", operation, f"it is {result}")
            return
        if result.status == "waiting":
            if not result.waiting:
                self._violate("what waits is listed", operation, "nothing is listed")
            return
        turn, last = result.records[0].seq, result.records[-1].seq
        ends = shadow.ends.get(turn, {})
        # An end may have come and the turn been reopened while it stood still: either will do.
        at = max((seq for seq in ends if seq <= max(last, operation.found)), default=0)
        end = ends.get(at)
        if end is None or end.status != result.status:
            self._violate("results are the log's", operation, f"{result.status}, the log: {end}")
            return
        # What is used may be learned after the end: of a call that a fenced driver had made.
        told = (result.status, result.answer, result.reason, result.steps)
        first = shadow.answers.setdefault((turn, at), told)
        if told != first:
            self._violate("all callers' results are equal", operation, f"{told}, before {first}")
        if operation.turn and operation.turn != turn:
            self._violate("results are the log's", operation, f"another turn's, of {turn}")

    def _is_left(self, operation: Operation, shadow: Any, result: Result) -> bool:
        """Whether its stream has seen that nobody drove the turn for as long as it promises to wait."""
        ends = shadow.ends.get(result.records[0].seq, {})
        if operation.kind != "stream" or any(seq <= operation.seen for seq in ends):
            return False
        last_at: float = shadow.written_at[operation.seen - 1]
        return self._simulation.loop.time() - last_at >= LOST_S

    def _judge_settled(self, operation: Operation, number: int) -> None:
        """It is the call's result, or is refused in words."""
        error = operation.error
        if error is None:
            for settled in operation.result:
                shadow = self._simulation.check.threads[settled.thread_id]
                self._simulation.check.told_of_job(shadow, settled.call_id, number)
        elif isinstance(error, StoreError) and not isinstance(error, Fenced):
            if not operation.faults:
                self._violate("a post is accepted or refused in words", operation, repr(error))
        elif not isinstance(error, IllegalEvent | UsageError | asyncio.CancelledError):
            self._violate("a post is accepted or refused in words", operation, repr(error))

    def _judge_submitted(self, operation: Operation) -> None:
        """What was said is in the log, by whoever said it first."""
        error = operation.error
        if error is None:
            shadow = self._simulation.check.threads[operation.thread]
            opened = shadow.records[operation.result.turn_seq - 1].event
            if not isinstance(opened, UserSaid) or not opened.opens_turn:
                self._violate("an accepted post is in the log, once", operation, f"{opened}")
        elif isinstance(error, StoreError) and not isinstance(error, Fenced):
            if not operation.faults:
                self._violate("a post is accepted or refused in words", operation, repr(error))
        elif not isinstance(error, TurnOpen | IllegalEvent | asyncio.CancelledError):
            self._violate("a post is accepted or refused in words", operation, repr(error))

    def _judge_job(self, operation: Operation) -> None:
        """A job is done, or left for later for a reason that was drawn."""
        done: Done = operation.result
        faults = operation.faults or self._simulation.database.has_failed
        allowed = {
            "bug": False,
            "unfit": False,
            "interrupted": done.error == "SeqTaken" or self._may_be_fenced(operation),
            "unavailable": faults or done.error == "EngineError",
        }
        if not allowed.get(done.outcome, True):
            self._violate("a worker does its jobs", operation, f"{done}")

    def _judge_post(self, operation: Operation, event: Any) -> None:
        error = operation.error
        kind = type(event)
        written = [each for each in operation.written if isinstance(each, kind)]
        if error is None and len(written) != 1:
            self._violate("an accepted post is in the log, once", operation, f"{written}")
        refusals: tuple[type[Exception], ...] = (IllegalEvent,)
        if operation.kind == "steer":  # of a flow, or a child whose turn is over
            refusals = (IllegalEvent, UsageError)
        if isinstance(error, refusals) and operation.written:
            self._violate("a refused post writes nothing", operation, f"{operation.written}")
        if error is None or isinstance(error, refusals):
            return
        expected = isinstance(error, StoreError) and not isinstance(error, Fenced)
        if not (expected and operation.faults) and not isinstance(error, asyncio.CancelledError):
            self._violate("a post is accepted or refused in words", operation, repr(error))


def arguments_number(arguments: str) -> int | None:
    """The number in a call's arguments, if they have one."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return None
    return given.get("n") if isinstance(given, dict) else None
