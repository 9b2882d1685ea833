"""The runs of an agent or a flow: say something in a thread, go on with it, read how it ended.

An agent and a flow differ only in their `Turns`. All else of a run stands here, once.
"""

import contextlib
from collections.abc import Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from typing import Generic

from msgspec.structs import replace as with_fields

from ..core import events as e
from ..core.check_settings import check_whole_number
from ..core.context import ChildResult, Context
from ..core.errors import (
    Fenced,
    ModelError,
    NotAnswered,
    SeqTaken,
    StepFailed,
    TurnFailed,
    TurnOpen,
)
from ..core.links import MAX_DEPTH, start_of_child
from ..core.result import Result, make_child_result, make_turn_error, read_result
from ..core.taint import join_labels, labels_of
from ..core.turn_after import goes_on
from ..core.type_variables import Output
from ..core.waits import is_at_work
from ..models.known_secrets import redact_error
from .background import Begun, OnBegun, begin, tell_opening
from .children import open_child_log, refuse_child, require_own, start_below, starts_again
from .drive import cancelling_turn, drive_turn, new_claim
from .drives import Drive, refuse_while_stopping
from .end_turn import end_abandoned_children
from .follow import LOST_S, STOPPED, Items, follow_log
from .given import Given
from .log import Log, open_log
from .message_key import Message, address, find_message, refuse_deleted
from .one_turn import is_over, up_to_turn
from .parent_context import find_parent
from .require_log import require_log
from .resume import follow_driver
from .said import Said
from .steer import Steered, steer
from .step_ids import StepScope, check_within, current_scope, refuse_in_flow, refuse_within
from .team import child_limits, make_child_tool
from .turns import Turns
from .when_busy import in_line, says_into_turn, wait_for_end


@dataclass(frozen=True)
class Runs(Generic[Output]):
    """The runs of one agent or flow."""

    turns: Turns[Output]

    async def say(
        self,
        said: Said,
        thread: str | None,
        key: str | None,
        given: Given,
        within: float | None = None,
        on_begun: OnBegun | None = None,
    ) -> Result[Output]:
        """As `run`. `on_begun` is told as soon as the turn has begun."""
        owner, turns = self.turns.owner, self.turns
        if thread is not None or key is not None:
            refuse_in_flow("run() with thread= or key=")
        if scope := current_scope():
            return await self.run_as_step(scope, scope.step_id(owner.name), said, given, within)
        refuse_within(within)
        message = address(turns.take(said), thread, key, owner.name, owner.world)
        waits = given.when_busy == "queue"
        async with in_line(turns.store, message.thread_id) if waits else nullcontext():
            while True:
                log = await open_log(message.thread_id, turns.store, owner.world)
                if opened_seq := await self._find_turn(log, message, given):
                    if on_begun:
                        on_begun(Begun(log.thread_id, opened_seq))
                    return await self.resume(log.thread_id, given, opened_seq=opened_seq)
                if on_begun:
                    log.listeners += (tell_opening(log, on_begun),)
                try:
                    opening = [*await turns.open(log, message.said), message.said]
                    work = await turns.work(log, given, opening)
                    drive = await drive_turn(log, owner.listeners, opening, work)
                    return await self._after(log, drive, given)
                except SeqTaken:  # perhaps another caller has brought it at the same moment
                    if log.has_claimed or not message.said.key:
                        raise
                except TurnOpen:  # another turn has begun at the same moment
                    if log.has_claimed or given.when_busy not in ("steer", "queue"):
                        raise

    async def _find_turn(self, log: Log, message: Message, given: Given) -> int:
        """The turn in which the message stands, by its key or as it is said now; 0: it opens one.

        Raises UsageError for the thread of somebody else, and for a message of a thread that was
        deleted; Stopped.
        """
        said = message.said
        while True:
            require_own(log)
            if found := find_message(log, said, message.made_by_key):
                return found[1]
            refuse_while_stopping()
            await refuse_deleted(log, said)
            if not log.state.is_open:
                return 0
            if given.when_busy == "queue":
                await wait_for_end(
                    log, lambda seq: self.resume(log.thread_id, given, opened_seq=seq)
                )
                await log.refresh()
            elif says_into_turn(given.when_busy, log.state):
                return (await steer(log, said)).turn_seq
            else:
                return 0

    async def start(self, said: Said, thread: str | None, key: str | None, given: Given) -> Begun:
        """As `start`, and `stream`."""
        refuse_in_flow("start() or stream()")
        return await begin(lambda on_begun: self.say(said, thread, key, given, None, on_begun))

    async def steer(self, log: Log, said: e.UserSaid) -> Steered:
        """As `steer.steer`; where the message opens a turn, as one that is run."""
        if not log.state.is_open:
            await self.turns.open(log, said)  # raises for what may open none
        return await steer(log, said)

    async def follow(
        self, thread: str, after: int | None, begun: Begun | None = None, lost_s: float = LOST_S
    ) -> Items[Output]:
        """As `follow`; with `begun`, that turn. Nobody may drive it for so long."""
        if after is not None:
            check_whole_number("follow(after", after)
        store, turn_seq = self.turns.store, begun.opened_seq if begun else 0
        log = await require_log(thread, store, self.turns.owner.world, turn_seq)
        async with aclosing(follow_log(log, after, self.end, begun, lost_s)) as items:
            async for item in items:
                yield item

    async def resume(
        self,
        thread: str,
        given: Given,
        take: bool = False,
        again: bool = False,
        opened_seq: int = 0,
    ) -> Result[Output]:
        """As `resume`; with `opened_seq`, of the turn that this message has opened, whatever came
        after it. `again`: what has failed runs again.

        A turn that has failed meanwhile isn't tried again by those who have only waited for it.
        """
        seen_seq = turn_seq = 0
        while True:
            log = await require_log(thread, self.turns.store, self.turns.owner.world, turn_seq)
            seen_seq = seen_seq or log.state.seq
            if not turn_seq and log.state.turn and log.state.is_open:
                # Somebody may say something new as soon as this turn is over: that isn't asked for.
                turn_seq = log.turn_seq = log.state.turn.opened_seq
            if log.state.is_open:
                refuse_child(log, "it goes on when its parent's thread is resumed")
            if opened_seq and log.state.is_open and is_over(log.state, opened_seq):
                return self.end(log, opened_seq)  # a later turn is at work: nobody waits for that
            if not take:
                await follow_driver(log)
            await end_abandoned_children(log)
            if opened_seq and is_over(log.state, opened_seq):
                return self.end(log, opened_seq)
            found_seq = log.state.seq
            untouched = found_seq == seen_seq and not opened_seq
            try:
                if again:
                    refuse_child(log, "what failed runs again when its parent's thread is resumed")
                resumed = untouched and not start_of_child(log.records)
                result = await self._go_on(log, given, resumed, again and untouched)
                if log.has_claimed or log.state.seq == found_seq or not is_at_work(log.state):
                    return result
            except (Fenced, SeqTaken):
                if log.has_claimed:
                    raise
            take = False  # somebody else was faster, or goes on after all: follow them

    async def _go_on(self, log: Log, given: Given, resumed: bool, again: bool) -> Result[Output]:
        """Drive the open turn, or read how the last one ended. An ended turn goes on too where a
        person has `resumed` it and it may, or where its failed steps are to run `again`."""
        self.turns.refuse_other(log)
        state = log.state
        reopens = goes_on(state.turn, state.depth, resumed=resumed, again=again)
        if not log.state.trusted or (log.state.phase == "idle" and not reopens):
            return self.turns.read(read_result(log.records, log.state), log.state)
        return await self._drive(log, given, new_claim(self.turns.owner.world, reopens))

    async def _drive(self, log: Log, given: Given, *opening: e.Event) -> Result[Output]:
        work = await self.turns.work(log, given, opening)
        drive = await drive_turn(log, self.turns.owner.listeners, opening, work)
        return await self._after(log, drive, given)

    async def _after(self, log: Log, drive: Drive, given: Given) -> Result[Output]:
        """The result of a turn that was driven. Raises where it failed."""
        result = self.end(log, cause=drive.cause)
        turn = log.state.turn
        if turn and result.status == "waiting":
            async with cancelling_turn(log):
                if await self.turns.has_more(log):
                    return await self.resume(log.thread_id, given, opened_seq=turn.opened_seq)
        if drive.let_go and result.status == "unfinished":
            return replace(result, reason=STOPPED)
        return result

    async def work_as_child(self, said: Said, context: Context, given: Given) -> ChildResult:
        """Start or continue the call's child thread, which is paid from the parent's account."""
        owner = self.turns.owner
        inherited = find_parent(context)
        parent = inherited.log
        if parent.state.depth >= MAX_DEPTH:
            message = f"threads are {MAX_DEPTH} deep; do it without"
            return ChildResult(message, e.Usage(), 0.0, failed=True)
        runs = self.turns.runs_below(parent, child_limits(owner.limits, inherited))
        log = await open_child_log(context)
        with contextlib.suppress(ModelError, TurnFailed):  # the result says so to the caller
            if log.records:
                await runs._go_on(log, given, False, await starts_again(log))
            else:
                start, task = self.begin_child(said, context, parent)
                await runs._drive(log, given, start, new_claim(parent.world), task)
        return self.read_child(log)

    def begin_child(
        self, said: Said, context: Context, parent: Log
    ) -> tuple[e.ThreadStarted, e.UserSaid]:
        """What begins the thread of the parent's call: its start, and the task with its labels."""
        is_flow = self.turns.kind == "flow"
        start = start_below(parent, context.call_id, self.turns.owner.name, flow=is_flow)
        task, held = self.turns.take(said), parent.state.held
        return start, with_fields(task, labels=join_labels((task.labels, labels_of(held))))

    def read_child(self, log: Log) -> ChildResult:
        """What came of a child's turn, with the labels of what its thread holds."""
        return make_child_result(self.turns.owner.name, read_result(log.records, log.state))

    async def run_as_step(
        self, scope: StepScope, step_id: str, said: Said, given: Given, within: float | None = None
    ) -> Result[Output]:
        """`run` as a step of a flow, within so many seconds."""
        check_within(within)
        owner, runs = self.turns.owner, self.turns.runs_with(given.settings)

        async def work(context: Context) -> ChildResult:
            return await runs.work_as_child(said, context, Given(given.deps))

        call = e.Call(step_id, owner.name, self.turns.task(said))
        tool = make_child_tool(owner.limits, work)
        log = await scope.caller.child(call, tool, within)
        name = f"the {self.turns.kind} {owner.name}"
        return _require_answer(name, step_id, lambda: self.end(log))

    def end(
        self, log: Log, opened_seq: int | None = None, cause: BaseException | None = None
    ) -> Result[Output]:
        """The result of the last turn, or of the one opened at this seq. Raises where it failed:
        from `cause`, which the code of a flow has raised."""
        if opened_seq is None:
            opened_seq = log.state.seq
        records, state = up_to_turn(log.records, log.state, opened_seq)
        result = read_result(records, state)
        if result.status == "failed":
            raise make_turn_error(result, state) from (cause and redact_error(cause))
        return self.turns.read(result, state)


def _require_answer(name: str, step_id: str, read: Callable[[], Result[Output]]) -> Result[Output]:
    """The result that is read. Raises NotAnswered, which holds it, if it is anything but answered.

    Whatever `read` raises of the turn gets the step's id.
    """
    try:
        result = read()
    except (ModelError, TurnFailed) as error:
        error.step = step_id
        raise
    except ValueError as error:  # a person has told it, or the type has changed since
        why = f"{name} has a result that won't do: {error}"
        raise StepFailed(why, step=step_id) from None
    if result.status != "answered":
        raise NotAnswered(name, result, step=step_id)
    return result
