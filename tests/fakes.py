"""What the tests of the core share: a loop whose clock jumps, a repeatable world, stores that are slow or die."""

import asyncio
import contextlib
import itertools
import random
import selectors
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from treadle import Agent, MemoryStore, Record, Result
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.core.state import State, apply
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.record_table import NUMBER
from treadle.stores.store import Row, ThreadInfo, Waking

T = TypeVar("T")


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer it moves the clock there; a tool that runs in a thread gets real time first."""

    def __init__(self, in_threads: Callable[[], bool]) -> None:
        super().__init__()
        self.now_s = 1000.0
        self._in_threads = in_threads

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = self._select_for_threads(5)
        elif self._in_threads():
            ready = self._select_for_threads(0.3)
        assert ready or timeout is not None, (
            "nothing is scheduled and nothing happens: it would wait for ever"
        )
        if not ready:
            self.now_s += max(0.0, timeout or 0.0)
        return ready

    def _select_for_threads(self, most_s: float) -> Any:
        """In many small waits: on a busy machine each of them takes longer, as the threads do."""
        for _ in range(30):
            if ready := super().select(most_s / 30):
                return ready
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = JumpingSelector(self._in_threads)
        self._tasks: list[_Running] = []
        """`asyncio.all_tasks` would go through those of every loop there was, each time."""
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def create_task(self, coro: Any, **settings: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **settings)
        self._tasks.append(_Running(task))
        return task

    def _in_threads(self) -> bool:
        """Whether a task waits for a thread."""
        self._tasks = [each for each in self._tasks if each.is_running()]
        return any(each.waits_for_thread() for each in self._tasks)


class _Running:
    """A task of the loop, and what was seen when it was last looked at."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = weakref.ref(task)
        self._awaited: Any = None
        self._in_thread = False

    def is_running(self) -> bool:
        task = self._task()
        return task is not None and not task.done()

    def waits_for_thread(self) -> bool:
        """By the names of the coroutines that do. Looks only if it awaits another thing by now."""
        task: Any = self._task()
        if task is None:
            return False
        if self._awaited is None or task._fut_waiter is not self._awaited:
            self._awaited, self._in_thread = task._fut_waiter, _goes_through_thread(task)
        return self._in_thread


def _goes_through_thread(task: asyncio.Task[Any]) -> bool:
    inner: Any = task.get_coro()
    while inner is not None:
        if getattr(inner, "__name__", "") in ("_in_thread", "to_thread", "drain"):
            return True
        inner = getattr(inner, "cr_await", None)
    return False


def live(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in virtual time. Fails if it leaves a task running."""

    async def whole() -> T:
        result = await work
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left running: {left}"
        return result

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(whole())


def loop_time() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


def world(now: Callable[[], float] = loop_time, chance: float = 0.0) -> World:
    """The same names and chances every time; the clock is the loop's."""
    names = (f"id{number}" for number in itertools.count(1))
    return World(
        now=now,
        monotonic=now,
        driver=lambda: "test",
        chance=lambda: chance,
        new_id=lambda: next(names),
    )


def agent(model: Any, *tools: Any, **settings: Any) -> Agent:
    """One with a store in memory and a repeatable world."""
    return Agent(
        **{"model": model, "tools": tools, "store": MemoryStore(), "world": world(), **settings}
    )


def names(records: Sequence[Record]) -> list[str]:
    return [type(record.event).__name__ for record in records]


def found(result: Result, kind: type[T]) -> list[T]:
    return [record.event for record in result.records if isinstance(record.event, kind)]


def timeless(records: Sequence[Record]) -> list[e.Event]:
    """The events without what a clock put into them."""
    clocked = {"latency_s", "first_token_s", "duration_s"}
    return [
        msgspec.structs.replace(
            record.event, **{key: 0.0 for key in clocked & set(record.event.__struct_fields__)}
        )
        for record in records
    ]


class SlowStore(MemoryStore):
    """Really waits in every operation, before it and after it, as a database across a network does."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await asyncio.sleep(0.01)
        await super().append(thread_id, rows)
        await asyncio.sleep(0.01)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        await asyncio.sleep(0.01)
        found = await super().read(thread_id, after_seq)
        await asyncio.sleep(0.01)
        return found


class Died(BaseException):
    """The process is gone: nothing catches it, nothing is written after it."""


class DyingStore:
    """Keeps the first `appends` appends.

    The next one dies, before it is written or after; so does all that follows.
    """

    def __init__(
        self, inner: MemoryStore, appends: int, error: Callable[[], BaseException], written: bool
    ) -> None:
        self.inner = inner
        self.left = appends
        self._error = error
        self._written = written

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        self.left -= 1
        if self.left >= 0 or (self.left == -1 and self._written):
            await self.inner.append(thread_id, rows)
        if self.left < 0:
            raise self._error()

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        return await self.inner.threads(limit, **filters)


class Elsewhere(MemoryStore):
    """The same threads, as another process sees them: what is driven there isn't driven here."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__()
        self.inner = inner

    async def append(self, thread_id: str, rows: Any) -> None:
        await self.inner.append(thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> Any:
        return await self.inner.threads(limit, **filters)

    def attend(self, claim: str) -> Any:
        return self.inner.attend(claim)

    def find_beat(self, claim: str) -> int | None:
        return self.inner.find_beat(claim)

    def version(self) -> int:
        return self.inner.version()

    def last_seqs(self, thread_ids: Any) -> dict[str, int]:
        return self.inner.last_seqs(thread_ids)

    async def find_waking(self, now: float) -> list[Waking]:
        return await self.inner.find_waking(now)

    async def find_handle(self, handle: str) -> list[str]:
        return await self.inner.find_handle(handle)

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        await self.inner.postpone(thread_id, seq, due)


class Door:
    """One process's way to a store: once the process is killed, nothing more goes through."""

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.is_dead = False

    def kill(self) -> NoReturn:
        self.is_dead = True
        raise Died

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        if self.is_dead:
            raise Died
        await self.inner.append(thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        return await self.inner.threads(limit, **filters)

    async def life(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What came of the process's work; None if it was killed."""
        try:
            result = await work
        except BaseException:
            if not self.is_dead:
                raise
            return None
        return None if self.is_dead else result


def _checked(state: State) -> list[e.Event]:
    said = state.turn.unchecked if state.turn else ()
    found: list[e.Event] = [
        e.Checked("answer", "allow", "polite"),
        e.Checked("answer", "allow", "polite", content="a kind answer"),
    ]
    for seq in said:
        found += [
            e.Checked("message", "allow", "clean", seq, content=f"cleaned {seq}"),
            e.Checked("message", "deny", "clean", seq, reason="no"),
        ]
    for call in state.turn.calls.values() if state.turn else ():
        found += [
            e.Checked("call", "pass", "cap", call_id=call.id, content='{"n":0}'),
            e.Checked("call", "deny", "cap", call_id=call.id, reason="too much"),
        ]
    return found


def candidates(state: State) -> list[e.Event]:
    """Events of every type, some that can follow this state and many that can't."""
    seq = state.seq
    open_ids = [call.id for call in state.turn.calls.values()] if state.turn else []
    made: list[e.Event] = [
        e.ThreadStarted("agent", "key"),
        e.ThreadClaimed(f"w{seq}", identity=e.Identity("agent", "m", "h") if seq % 2 else None),
        e.ThreadClaimed(f"w{seq}", reopens=True),
        e.ThreadClaimed(state.claim or "w", releases=True),
        e.AgentDescribed(f"agent{seq % 3}", "m", "be kind", {"t": e.ToolDescription("d", {})}),
        e.TrustChanged(bool(seq % 2), "ada", "imported"),
        e.ThreadForked("parent", max(1, seq), f"key{seq}"),
        e.UserSaid(f"said {seq} " + "x" * (seq % 5 * 40)),
        e.UserSaid(f"keep {seq}", pinned=True),
        e.UserSaid(f"and {seq}", steers=True),
        e.UserSaid((f"see {seq}", e.Image("data:image/png;base64,AAAA")), steers=True),
        e.UserSaid(f"keep too {seq}", pinned=True, steers=True),
        e.NotesRecalled((f"n{seq}",), f"noted {seq}"),
        e.StepAsked(e.Call(f"s{seq}", "step", "{}")),
        e.StepAsked(e.Call("posted", "wait_for", "{}"), until=seq * 1.5 + 4, early=True),
        e.UserSaid(f"early {seq}", answers="posted"),
        e.ContextCompacted(seq // 2),
        e.ContextCompacted(seq * 2 // 3, f"summary {seq}", seq, 60),
        e.ModelCalled("m", "h", 20, 50, "compact", upto_seq=max(1, seq // 2)),
        e.ModelCalled("other", "h", 20, 50, "step", 2),
        e.UserSaid(
            (f"look {seq}", e.Image("data:image/png;base64,AAAA"), e.File("a.pdf", "data:,x"))
        ),
        *(
            e.ModelCalled("m", "h", 10 + seq, 100, purpose, attempt)
            for purpose, attempt in PURPOSES
        ),
        e.ModelReplied(
            f"reply {seq} " + "y" * (seq % 7 * 50), e.Usage(10, 5), 0.1, opaque={"signature": "s"}
        ),
        e.ModelReplied("", e.Usage(0, 1), 0.1),
        e.ModelReplied(f"no {seq}", e.Usage(10, 5), 0.1, refusal="no"),
        *(
            e.ModelReplied((e.Text(f"r{seq}"), *wanted(seq, n)), e.Usage(40, 5), 0.1, cost_usd=0.5)
            for n in (1, 2, 3)
        ),
        e.ModelReplied(
            (
                e.Thinking(f"hm {seq}", {"signature": "s"}),
                e.ProviderCall("search", "{}", "found", (e.Source("https://a.example", "A"),)),
                e.Text("so", {"id": "x"}),
            ),
            e.Usage(10, 5),
            0.1,
        ),
        e.ModelReplied(wanted(seq, 2), e.Usage(10, 5), 0.1, "length"),
        e.ModelReplied("cut", e.Usage(10, 5, estimated=True), 0.1, "content_filter"),
        *(e.ModelFailed(kind, "no", wait_s) for kind, wait_s in FAILURES),
        e.AnswerRejected(f"not a number {seq}"),
        *_checked(state),
        e.LimitReached("steps", 1, 1),
        e.LimitReached("tokens", 9, 9, "turn:root#3", True),
        e.LimitReached("usd_a_day", 9, 9, "day:2026-01-01:team", True, 1e9),
        e.LimitRaised("ada", tokens=5),
        e.FeedbackGiven(bool(seq % 2), "ada", "why", state.turn.opened_seq if state.turn else 1),
        e.ModelCalled("m", "h", 5, 5, accounts=("turn:root#3", "minute:team")),
        e.TurnEnded("limit", "steps"),
        e.TurnEnded("answered"),
        e.TurnEnded("failed", "no model"),
        e.TurnEnded("cancelled"),
        e.ApprovalGiven("", True, "ada", "it is mended"),
    ]
    claims = {state.claim, *(state.turn.lost if state.turn else ()), "bogus"}
    claims |= {call.claim for call in state.turn.calls.values()} if state.turn else set()
    made += [
        e.ModelFailed("late", "came", usage=e.Usage(9, 9), cost_usd=usd, claim=claim)
        for claim in sorted(claims - {""})
        for usd in (0.125, None)
    ]
    for call_id in (*open_ids, "bogus"):
        made += [
            outcome
            for claim in sorted(claims - {""})
            for outcome in (
                e.ToolReturned(call_id, f"late {seq}", 0.1, claim=claim),
                e.ToolFailed(call_id, "raised", f"late {seq}", 0.1, claim=claim),
                e.CallNoted(call_id, f'{{"late":{seq}}}', bool(seq % 2), claim=claim),
                e.ToolFailed(call_id, "raised", f"late {seq}", 0.1, 1.0, claim=claim),
            )
        ]
        made += [
            e.ChildStarted(call_id, f"child{seq}", 100, 0.5),
            e.ChildWaits(
                call_id, (e.PendingDecision(f"child{seq}", "c1", "pay", "{}", "waiting", "why"),)
            ),
            e.ChildWaits(call_id, ()),
            e.HandedOff(call_id, f"agent{seq}"),
            e.ToolReturned(call_id, "below", 0.1, usage=e.Usage(30, 4), cost_usd=0.25),
            e.ToolStarted(call_id, "key"),
            e.ToolDeferred(call_id, f"open {seq}"),
            e.ToolReturned(call_id, f"result {seq} " + "z" * (seq % 6 * 60), 0.1),
            e.ToolReturned(call_id, "", 0.1, 7),
            e.ToolReturned(
                call_id, "[picture 1]", 0.1, parts=(e.Image("data:image/png;base64,AAAA"),)
            ),
            e.ToolFailed(call_id, "raised", f"broke {seq}"),
            e.ToolFailed(call_id, "raised", "busy", 0.1, 1.0),
            e.ToolFailed(call_id, "timeout", "slow", 0.1, 0.0, unknown=True),
            e.OutcomeDecided(call_id, "not_run", "verify"),
            e.OutcomeDecided(call_id, "unclear", "verify", reason=f"no list {seq}"),
            e.CallNoted(call_id, f'{{"job":{seq}}}', polls=bool(seq % 2)),
            e.CallNoted(call_id, f'{{"job":{seq}}}', True),
            e.CallNoted(call_id, f'{{"job":{seq}}}', True, seq * 1.5 + 4, bool(seq % 2)),
            e.ToolReturned(call_id, f"posted {seq}", 0.1, by="ci"),
            e.ToolFailed(call_id, "raised", f"posted {seq}", 0.1, by="ci"),
            e.ApprovalAsked(call_id, "why"),
            e.ApprovalGiven(call_id, True, "ada", "", f'{{"edited": {seq}}}', ALWAYS[seq % 3]),
            e.ApprovalGiven(call_id, False, "ada"),
            e.QuestionAsked(call_id, "which?"),
            e.UserSaid(f"answer {seq}", answers=call_id),
            e.QuestionAsked(call_id, f"and {seq}?", '{"kept":1}'),
            e.UserSaid(f"answer {seq}", answers=call_id, in_call=True),
            *(
                e.OutcomeDecided(call_id, outcome, "ada", "content")
                for outcome in ("ran", "not_run", "tell")
            ),
        ]
    return made


ALWAYS = (None, e.Always(), e.Always({"a": "1*"}, "thread"))
PURPOSES: tuple[Any, ...] = (("step", 1), ("step", 2), ("plan", 1), ("answer", 1))
FAILURES: tuple[Any, ...] = (
    ("unavailable", 1.0),
    ("denied", None),
    ("timeout", None),
    ("overflow", None),
)


def wanted(seq: int, count: int) -> tuple[e.Call, ...]:
    arguments = ('{"a":1}', "{bad", f'{{"n":{seq}}}')
    return tuple(e.Call(f"c{seq}x{n}", f"tool.{n}", arguments[n]) for n in range(count))


def legal_log(choices: Sequence[int], avoid: tuple[type, ...] = ()) -> list[Record]:
    """A log that `fold` takes, walked at random: at each state one of the candidates that may follow."""
    state, records = State(), []
    for choice in choices:
        made, chance = candidates(state), random.Random(choice)
        event = made[choice % len(made)]
        while True:
            record = Record("t", state.seq + 1, state.seq * 1.5, event)
            with contextlib.suppress(IllegalEvent):
                if not isinstance(event, avoid):
                    state = apply(state, record)
                    break
            event = chance.choice(made)
        records.append(record)
    return records


def killed_while_it_paid(thread: str, said: str, arguments: str) -> MemoryStore:
    """The log that a process leaves behind which was killed inside of `pay`."""
    store = MemoryStore()
    facts = (
        e.ThreadStarted("agent", "key"),
        e.ThreadClaimed("worker"),
        e.UserSaid(said),
        e.ModelCalled("scripted", "hash", 100, 100),
        e.ModelReplied((e.Call("c1", "pay", arguments),), e.Usage(100, 20), 0.5, "tool_calls"),
        e.ToolStarted("c1", "its key"),
    )

    async def write() -> None:
        await (await open_log(thread, store, World())).append(*facts)

    asyncio.run(write())
    return store


def is_of(thread: str) -> str:
    """The condition of SQL for a thread's records in a file: the first has its name, the others its number."""
    number = NUMBER.replace("?", f"'{thread}'")
    return f"thread_id in ('{thread}', ({number}))"


def run_in(thread, runner, *said, **given):
    """`run` in this thread, of an agent, a flow or a graph."""
    if isinstance(runner, Agent):
        return runner.run(*said, thread=thread)
    return runner.options(thread=thread).run(*said, **given)
