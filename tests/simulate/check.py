"""The promises, checked at every record, effect, model call and result of a simulation.

Each check has the words of the promise that it is for. What it knows is read off the records as they
are committed, and never asked of the code that is tested.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulate.account_check import AccountCheck
from simulate.cast import (
    EFFECTS,
    FLOW_KINDS,
    HASTY_KINDS,
    IDEMPOTENT,
    KINDS,
    LIMITS,
    NEEDS_APPROVAL,
    VERIFIED_KINDS,
    WORKED_KINDS,
    limits_of,
)
from simulate.process import OPERATION, Operation, Process, current_process
from treadle import Limits, Record
from treadle.core import events as e
from treadle.core.account import thread_of
from treadle.core.call import CallState
from treadle.core.errors import IllegalEvent, TreadleError
from treadle.core.limits import raise_limits
from treadle.core.model import Request
from treadle.core.state import OPEN_PHASES, State, apply
from treadle.stores.rows import from_rows
from treadle.stores.store import Row

if TYPE_CHECKING:
    from simulate.simulation import Simulation

POSTS = (e.ApprovalGiven, e.OutcomeDecided, e.ThreadClaimed, e.TrustChanged, e.LimitRaised)
"""The events that anybody may write, whoever drives the thread."""


@dataclass
class Attempt:
    """One ToolStarted, and whether its tool has had its effect."""

    number: int
    key: str
    arguments: str
    operation: Operation | None
    effects: int = 0


@dataclass
class Shadow:
    """A thread as the checks have seen it grow."""

    thread_id: str
    records: list[Record] = field(default_factory=list)
    state: State = State()
    writers: list[Operation | None] = field(default_factory=list)
    """Who has written each record."""
    claims: dict[str, Operation | None] = field(default_factory=dict)
    claimed_at: dict[str, float] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    """By call."""
    approved: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)
    """The steps with effects that a flow's code gave up in their midst."""
    written_at: list[float] = field(default_factory=list)
    """When each record was written, by the loop's clock."""
    ends: dict[int, dict[int, e.TurnEnded]] = field(default_factory=dict)
    """By the seq of a turn's message and that of the end, how it ended: it may have been reopened."""
    answers: dict[tuple[int, int], Any] = field(default_factory=dict)
    """By the same, the first result that a caller was given."""
    billed: dict[int, int] = field(default_factory=dict)
    """By the seq of each ModelCalled whose request was made, the tokens that may be billed for it."""
    results: set[str] = field(default_factory=set)
    """The calls of models that have one."""

    @property
    def kind(self) -> str:
        """Its kind, as the beginning of a person's own thread says; "" for a child."""
        kind = self.thread_id.partition("-")[0]
        is_kind = kind in (*KINDS, *VERIFIED_KINDS, *HASTY_KINDS, *WORKED_KINDS)
        return kind if is_kind and "." not in self.thread_id else ""

    def called_under(self, claim: str) -> int:
        """The seq of the last model call that the driver of this claim made, or anybody ("")."""
        found = 0
        current = ""
        for record in self.records:
            if isinstance(record.event, e.ThreadClaimed):
                current = record.event.claim
            elif isinstance(record.event, e.ModelCalled) and claim in ("", current):
                found = record.seq
        return found

    @property
    def is_open(self) -> bool:
        return self.state.phase in OPEN_PHASES


class Check:
    """All that must hold in one simulation."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.threads: dict[str, Shadow] = {}
        self.effects: Counter[str] = Counter()
        self.verified: Counter[str] = Counter()
        """By outcome, how often `verify` has settled a call."""
        self.cut_off = 0
        """How many attempts had an unknown outcome, while their process lived on."""
        self.checked = 0
        self.accounts = AccountCheck(simulation, self._find_limits)

    def _find_limits(self, thread_id: str) -> Limits:
        return self._own_limits(self.threads[thread_id])

    async def compare_accounts(self, rows: Any) -> None:
        """The store's accounts say what the logs say."""
        await self.accounts.compare(rows)

    def _violate(self, promise: str, words: str) -> None:
        self._simulation.violate(promise, words)

    # Records

    def appended(self, process: Process, thread_id: str, rows: Sequence[Row]) -> None:
        """Take in what was just committed."""
        operation = OPERATION.get()
        shadow = self.threads.setdefault(thread_id, Shadow(thread_id))
        records = from_rows(thread_id, rows)
        for index, record in enumerate(records):
            before = shadow.state
            try:
                shadow.state = apply(before, record)
            except (IllegalEvent, TreadleError) as error:
                self._violate("fold never fails", f"{thread_id}: {error}")
                return
            shadow.records.append(record)
            shadow.writers.append(operation)
            shadow.written_at.append(self._simulation.loop.time())
            if operation and operation.thread == thread_id:
                operation.written.append(record.event)
                operation.seen = record.seq
            self._check_writer(shadow, before, record, operation, records[index + 1 :])
            self._check_event(shadow, before, record, operation)
            self.checked += 1
        self.accounts.appended(process, thread_id, rows)

    def _check_writer(
        self,
        shadow: Shadow,
        before: State,
        record: Record,
        operation: Operation | None,
        rest: Sequence[Record],
    ) -> None:
        """Only the last claim's driver writes what drives a turn."""
        event = record.event
        if operation is None:
            self._violate("each record has a writer", f"{shadow.thread_id}: {event}")
        if isinstance(event, POSTS) or not before.claim:
            return
        driver = shadow.claims.get(before.claim)
        if driver is operation or (isinstance(event, e.UserSaid) and not event.opens_turn):
            return
        if isinstance(event, e.UserSaid) and before.phase not in OPEN_PHASES:
            return  # what was said into a turn that has ended meanwhile opens the next
        if isinstance(event, e.TurnEnded) and event.status == "cancelled":
            return
        if isinstance(event, e.ToolReturned | e.ToolFailed) and event.by:
            return
        if isinstance(event, e.ToolFailed) and event.kind == "cancelled":
            ends = [each.event for each in rest if isinstance(each.event, e.TurnEnded)]
            if ends and ends[0].status == "cancelled":
                return
        late_claim = getattr(event, "claim", "")
        if late_claim and shadow.claims.get(late_claim) is operation:
            return  # what became of a call, told by whoever made it
        words = f"{operation} wrote {event} in {shadow.thread_id}, which {driver} drives"
        self._violate("a thread has one writer", words)

    def _check_event(
        self, shadow: Shadow, before: State, record: Record, operation: Operation | None
    ) -> None:
        event = record.event
        match event:
            case e.ThreadClaimed(claim=claim):
                self._check_claim(shadow, before, operation)
                shadow.claims[claim] = operation
                shadow.claimed_at[claim] = self._simulation.loop.time()
            case e.ApprovalGiven(call_id=call_id, allowed=True):
                shadow.approved.add(call_id)
                if event.arguments is not None:
                    self._check_edit(shadow, before, call_id)
            case e.ToolStarted():
                self._check_start(shadow, before, event, operation)
            case (
                e.ToolReturned(call_id=call_id) | e.ToolFailed(call_id=call_id, retry_after_s=None)
            ):
                if call_id in shadow.results:
                    self._violate("a call has one result", f"{call_id} of {shadow.thread_id}")
                if call_id[1:].isdigit():  # a step of a flow may run again under its id
                    shadow.results.add(call_id)
            case e.ModelCalled() | e.ChildStarted():
                self._check_limits(shadow, before, event)
            case e.ModelReplied(usage=usage) | e.ModelFailed(usage=usage):
                called = shadow.called_under(getattr(event, "claim", ""))
                if called in shadow.billed:
                    shadow.billed[called] = usage.total_tokens
            case e.OutcomeDecided(by="verify", outcome="ran" | "not_run" as outcome):
                self._check_verified(shadow, event.call_id, outcome)
            case e.TurnEnded():
                self._check_end(shadow, before, record.seq, event)
        if isinstance(event, e.ToolFailed):
            self._check_cut_off(shadow, before, event)
        self._check_step(shadow, before, event)
        is_message = isinstance(event, e.UserSaid) and not event.answers
        if is_message and operation and operation.thread == shadow.thread_id:
            assert shadow.state.turn
            operation.turn = shadow.state.turn.opened_seq

    def _check_step(self, shadow: Shadow, before: State, event: e.Event) -> None:
        """What a flow's code gave up in the midst of an effect isn't repeated, unless a person says so.

        What had failed begins anew, when it is asked for again.
        """
        match event:
            case e.StepAsked(call=call):
                assert shadow.state.turn
                asked = shadow.state.turn.calls.get(call.id)
                if asked and asked.attempt == 0:
                    shadow.attempts.pop(call.id, None)
            case e.ToolFailed(call_id=call_id, kind="cancelled"):
                assert before.turn
                call = before.turn.calls[call_id]
                may_have_run = call.status in ("started", "unknown")
                if call.step and may_have_run and call.name in EFFECTS - IDEMPOTENT:
                    shadow.in_doubt.add(call_id)
            case e.OutcomeDecided(call_id=call_id, outcome="not_run"):
                shadow.in_doubt.discard(call_id)
            case e.ToolStarted(call_id=call_id) if call_id in shadow.in_doubt:
                self._violate("an unknown effect is never silently repeated", f"{event}")

    def _check_end(self, shadow: Shadow, before: State, seq: int, event: e.TurnEnded) -> None:
        assert shadow.state.turn
        assert before.turn
        if event.status == "answered" and (before.turn.has_news or before.turn.calls):
            self._violate("a turn isn't over while something is unseen", shadow.thread_id)
        shadow.ends.setdefault(shadow.state.turn.opened_seq, {})[seq] = event

    def _check_claim(self, shadow: Shadow, before: State, operation: Operation | None) -> None:
        """Nobody takes a thread from a driver that is alive."""
        driver = shadow.claims.get(before.claim)
        if before.phase not in OPEN_PHASES or before.depth or driver is None or operation is None:
            return
        if driver is operation or operation.takes or operation.kind == "post":
            return
        database = self._simulation.database
        if not database.has_attendance or not database.is_attended(before.claim):
            return
        if driver.process.last_paused_at >= shadow.claimed_at[before.claim]:
            return
        words = f"{operation} took {shadow.thread_id} from {driver}, which is at work"
        self._violate("a living driver is never disturbed", words)

    def _check_verified(self, shadow: Shadow, call_id: str, outcome: str) -> None:
        """What `verify` says is so: a call that hasn't run has sent nothing, or its key is honoured."""
        assert shadow.state.turn
        attempts = shadow.attempts[call_id]
        has_run = any(each.effects for each in attempts)
        self.verified[outcome] += 1
        open_call = shadow.state.turn.calls.get(call_id)
        is_honoured = open_call is not None and open_call.name in IDEMPOTENT
        if has_run != (outcome == "ran") and not is_honoured:
            self._violate("verify says what is so", f"{call_id} of {shadow.thread_id}: {outcome}")

    def _check_cut_off(self, shadow: Shadow, before: State, event: e.ToolFailed) -> None:
        """A call whose time was up hasn't failed, if it may have had its effect: nobody knows."""
        assert before.turn
        self.cut_off += event.unknown
        call: CallState = before.turn.calls[event.call_id]
        if event.unknown or event.kind != "timeout" or call.status != "started":
            return
        effects = [call] if call.name in EFFECTS - IDEMPOTENT else self._effects_below(call)
        is_told = call.until is not None and all(each.name in event.message for each in effects)
        if effects and not is_told:  # whoever says `within` is told in words
            where = f"{call.name} {call.id} of {shadow.thread_id}: {event.message}"
            self._violate("a call that was cut off has an unknown outcome", where)

    def _effects_below(self, call: CallState) -> list[CallState]:
        """The calls of its child, and of its children, that began an effect and have no result."""
        child = self.threads.get(call.child.thread_id) if call.child else None
        if child is None or child.state.turn is None:
            return []
        found: list[CallState] = []
        for each in child.state.turn.calls.values():
            if each.status in ("started", "unknown") and each.name in EFFECTS - IDEMPOTENT:
                found.append(each)
            found += self._effects_below(each)
        return found

    def _check_edit(self, shadow: Shadow, before: State, call_id: str) -> None:
        assert before.turn
        assert shadow.state.turn
        if before.turn.calls[call_id].key == shadow.state.turn.calls[call_id].key:
            words = f"{call_id} of {shadow.thread_id} was edited"
            self._violate("a call has one idempotency key for its arguments", words)

    def _check_start(
        self, shadow: Shadow, before: State, event: e.ToolStarted, operation: Operation | None
    ) -> None:
        """A call starts as it was approved, and one of unknown outcome doesn't start again."""
        assert before.turn
        call: CallState = before.turn.calls[event.call_id]
        where = f"{call.name} {call.id} of {shadow.thread_id}"
        if call.status == "unknown" and call.name in EFFECTS - IDEMPOTENT:
            self._violate("an unknown effect is never silently repeated", where)
        allowed = {each.tool for each in before.permissions}
        is_approved = call.id in shadow.approved or call.name in allowed
        if call.name in NEEDS_APPROVAL and not is_approved:
            self._violate("what needs approval is approved", where)
        attempts = shadow.attempts.setdefault(event.call_id, [])
        if attempts and event.attempt <= attempts[-1].number:
            self._violate("each attempt has its number", f"{where}: {event.attempt}")
        for each in attempts:
            if (each.key == event.key) != (each.arguments == call.final_arguments):
                self._violate("a call has one idempotency key for its arguments", where)
        attempts.append(Attempt(event.attempt, event.key, call.final_arguments, operation))
        limit = self._limits(shadow).tool_calls
        assert shadow.state.turn
        if limit is not None and shadow.state.turn.tool_calls > limit:
            self._violate("limits bind", f"{shadow.thread_id} starts more than {limit} calls")

    def told_of_job(self, shadow: Shadow, call_id: str, number: int) -> None:
        """Whoever posts the result of work elsewhere, and is told that it counts, finds it there."""
        results = [
            each.event
            for each in shadow.records
            if isinstance(each.event, e.ToolReturned | e.ToolFailed | e.OutcomeDecided)
            and each.event.call_id == call_id
        ]
        result = self._simulation.jobs.end(number)
        wanted = str(result)
        last = results[-1] if results else None
        told = getattr(last, "content", "") or getattr(last, "message", "")
        if wanted not in told:
            words = f"{call_id} of {shadow.thread_id} has {told!r}, not {wanted!r}"
            self._violate("an accepted post is in the log, once", words)

    def was_read(self, thread_id: str) -> None:
        """Whoever resumes a thread gets the result of the turn that was open when it first looked."""
        operation, shadow = OPERATION.get(), self.threads.get(thread_id)
        if operation is None or operation.thread != thread_id:
            return
        operation.seen = len(shadow.records) if shadow else 0
        if operation.has_read:
            return
        operation.has_read, operation.found = True, operation.seen
        if operation.kind == "resume" and shadow and shadow.is_open and shadow.state.turn:
            operation.turn = shadow.state.turn.opened_seq

    # Limits

    def _limits(self, shadow: Shadow) -> Limits:
        turn = shadow.state.turn
        return raise_limits(self._own_limits(shadow), turn.raised if turn else None)

    def _own_limits(self, shadow: Shadow) -> Limits:
        if shadow.kind and shadow.state.agent != "boss":
            return limits_of(shadow.kind, self._simulation.plan.settings)
        if shadow.state.agent in FLOW_KINDS:
            return Limits(steps=None, tool_calls=1000, tokens=None)
        return LIMITS

    def _tokens(self, shadow: Shadow) -> int | None:
        """The tokens that a turn of the thread may use."""
        if not shadow.state.depth:
            return self._limits(shadow).tokens
        start = shadow.records[0].event
        assert isinstance(start, e.ThreadStarted)
        return self._share(start, shadow.thread_id)

    def _check_limits(self, shadow: Shadow, before: State, event: e.Event) -> None:
        limits, spent = self._limits(shadow), shadow.state.spent
        tokens = self._tokens(shadow)
        if tokens is not None and spent.tokens > tokens:
            words = f"{shadow.thread_id} may use {spent.tokens} tokens, not {tokens}: {event}"
            self._violate("limits bind", words)
        if not isinstance(event, e.ModelCalled) or before.turn is None:
            return
        assert shadow.state.turn
        if limits.steps is not None and spent.steps > limits.steps + shadow.state.turn.messages:
            self._violate("limits bind", f"{shadow.thread_id} makes more than {limits.steps} steps")
        if limits.seconds is not None and before.turn.active_s >= limits.seconds:
            self._violate("limits bind", f"{shadow.thread_id} goes on after {limits.seconds} s")

    def _check_tree(self, accounts: Sequence[str]) -> None:
        """What the providers may bill for a turn and all that works for it is within its limit."""
        for name in accounts:
            top = self.threads.get(thread_of(name))
            if top is None or top.state.turn is None:
                continue
            most = self._limits(top).tokens
            if most is None or not name.endswith(f"#{top.state.turn.opened_seq}"):
                continue
            billed = 0
            for shadow in self.threads.values():
                for seq, tokens in shadow.billed.items():
                    event = shadow.records[seq - 1].event
                    is_own = shadow is top and seq > top.state.turn.opened_seq
                    if is_own or (isinstance(event, e.ModelCalled) and name in event.accounts):
                        billed += tokens
            if billed > most:
                self._violate("limits bind", f"up to {billed} tokens may be billed to {name}")

    def _share(self, start: e.ThreadStarted, thread_id: str) -> int | None:
        """The tokens that a child may use, as its parent's log says."""
        for record in self.threads[start.parent_thread_id].records:
            event = record.event
            if isinstance(event, e.ChildStarted) and event.thread_id == thread_id:
                return event.tokens
        self._violate("a child begins after its ChildStarted", thread_id)
        return None

    # What happens outside

    def effect(self, context: Any, name: str, n: int) -> None:
        """A tool has its effect now."""
        operation, process = OPERATION.get(), current_process()
        self.effects[name] += 1
        where = f"{name}({n}), call {context.call_id} of {context.thread_id}, in {operation}"
        self._simulation.note(process, f"effect of {where}")
        shadow = self.threads[context.thread_id]
        attempts = shadow.attempts.get(context.call_id, [])
        mine = [each for each in attempts if each.number == context.attempt]
        if not mine or mine[0].operation is not operation or mine[0].effects:
            self._violate("what has an effect is written down before, each time", where)
            return
        if mine[0].key != context.idempotency_key:
            self._violate("a call has one idempotency key", where)
        if json.loads(mine[0].arguments).get("n", n) != n:
            self._violate("what is approved is what runs", f"{where}: {mine[0].arguments}")
        if name not in IDEMPOTENT and any(each.effects for each in attempts):
            self._violate("an unknown effect is never silently repeated", where)
        mine[0].effects += 1

    def asked_model(self, called: tuple[str, int] | None, request: Request) -> None:
        """A model's provider gets a request now."""
        if called is None:
            self._violate("each request is written down before", str(request.messages[-1]))
            return
        shadow = self.threads[called[0]]
        event = shadow.records[called[1] - 1].event if called[1] <= len(shadow.records) else None
        if not isinstance(event, e.ModelCalled) or called[1] in shadow.billed:
            self._violate("each request is written down before", f"{called}: {event}")
            return
        shadow.billed[called[1]] = event.prompt_tokens + event.max_output_tokens
        self._check_tree(event.accounts)
        self._check_shown(shadow, called[1], request)
        turn, tokens = shadow.state.turn, self._tokens(shadow)
        if turn and tokens is not None:
            billed = sum(cost for seq, cost in shadow.billed.items() if seq > turn.opened_seq)
            if billed > tokens:
                self._violate("limits bind", f"{called}: up to {billed} tokens may be billed")
        if request.tokens > event.prompt_tokens:
            self._violate("a request's worst case is reserved", f"{called}: {request.tokens}")
        if request.max_output_tokens > event.max_output_tokens:
            self._violate("a request's worst case is reserved", f"{called}: the reply")

    def _check_shown(self, shadow: Shadow, called_seq: int, request: Request) -> None:
        """A step's request has each message once that was said by then."""
        records = shadow.records[:called_seq]
        called = records[-1].event
        if any(isinstance(each.event, e.ContextCompacted) for each in records):
            return
        if not isinstance(called, e.ModelCalled) or called.purpose == "compact":
            return
        words = Counter(
            word
            for message in request.messages
            if message.role == "user"
            for word in message.text.split("\n\n")
        )
        for each in records:
            said = each.event
            is_own = isinstance(said, e.UserSaid) and not said.answers
            if is_own and words[said.text] != 1:
                shown = f"{said.text!r} {words[said.text]} times"
                self._violate("a message is shown, and once", f"{shadow.thread_id}: {shown}")
