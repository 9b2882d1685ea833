"""The steps in a flow's log, and when the code may have their results.

1. Results are delivered in the log's order. The code gets a result only after it has done all that
   the log shows before that result: asked for the same steps, and given up the same ones. So the
   same code gets the same results in the same order, even if branches race.
2. A step that is asked for again must be the same call. The first one that differs or is missing is
   named in the error.
3. A failed run that is reopened goes back to the first failure that its error came from. Before
   that, rule 1 holds as ever. Results that came later are kept for the code if it asks for them
   again; it may also go another way. What had failed there is as if it had never been asked for,
   and so is a failure that was kept at an earlier reopening, once an error comes from it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.call import call_digest
from ..core.errors import FlowChanged
from ..core.visible import shorten

Came = e.ToolReturned | e.ToolFailed | e.OutcomeDecided | e.UserSaid
"""What a step's result is read from."""

MAX_SHOWN_CHARS = 200
"""Characters of a call's arguments in an error."""


@dataclass
class Step:
    """One step: what the code asks for, and what the log knows of it."""

    call: e.Call
    asked: bool = False
    """The code, as it runs now, has asked for it."""
    given_up: bool = False
    """It awaits it no more."""
    at: float | None = None
    """When it was first asked for, as the log says."""
    given: e.ApprovalGiven | None = None
    child: str = ""
    """The thread that it runs as."""
    starts: int = 0
    """How often that was started: the last time for the result."""
    came: Came | None = None

    @property
    def is_cancelled(self) -> bool:
        """The code, or the end of the run, has given it up."""
        return isinstance(self.came, e.ToolFailed) and self.came.kind == "cancelled"

    @property
    def has_failed(self) -> bool:
        return isinstance(self.came, e.ToolFailed) and not self.is_cancelled


class History:
    """The steps of one turn. Fed its records in order, and what the code asks for."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self._order: list[tuple[Step, bool]] = []
        """Each step as it was asked for (False) and as its result came (True)."""
        self._early: dict[str, e.UserSaid] = {}
        """By id, events that were posted before the code waits for them."""
        self._kept: list[tuple[int, Step]] = []
        """Results from before the run was reopened, with how far the code must have come."""
        self._ended: e.TurnEnded | None = None
        self._done = 0
        """How far in that order the code has come."""

    def add(self, record: e.Record) -> None:
        match record.event:
            case e.StepAsked(call=call, early=takes_early):
                step = self._step_of(call)
                step.at = record.at
                self._order.append((step, False))
                if takes_early and call.id in self._early:
                    self._came(call.id, self._early.pop(call.id))
            case e.ApprovalGiven(call_id=call_id) as given if call_id:
                self.steps[call_id].given = given
            case e.ChildStarted(call_id=call_id, thread_id=thread_id):
                step = self.steps[call_id]
                step.starts = step.starts + 1 if step.child == thread_id else 1
                step.child = thread_id
            case (
                e.ToolFailed(retry_after_s=float())
                | e.ApprovalGiven()
                | e.OutcomeDecided(outcome="not_run" | "unclear")
                | e.UserSaid(answers="")
                | e.UserSaid(in_call=True)
            ):
                pass
            case (
                e.ToolReturned(call_id=call_id)
                | e.ToolFailed(call_id=call_id)
                | e.OutcomeDecided(call_id=call_id)
            ):
                self._came(call_id, record.event)
            case e.UserSaid(answers=call_id) as said if self._is_open(call_id):
                self._came(call_id, said)
            case e.UserSaid(answers=call_id) as said:
                self._early[call_id] = said
            case e.LimitReached():
                self._cut_off()
            case e.TurnEnded() as ended:
                self._ended = ended
            case e.ThreadClaimed(reopens=True):
                self._reopen()

    def ask(self, call: e.Call) -> Step:
        """Note that the code asks for this step. Raises FlowChanged if the log has another call."""
        step = self._step_of(call)
        if step.asked:
            raise FlowChanged(
                f"the flow's code asks twice for a step {call.id}; give each an id= of its own"
            )
        was = step.call
        if call_digest(was.name, was.arguments) != call_digest(call.name, call.arguments):
            raise FlowChanged(
                f"the flow's code has changed under its log: step {call.id} was {_show(was)}, is"
                f" now {_show(call)}. Nothing was written; go on with the code of then, or cancel"
                " the thread"
            )
        step.asked = True
        return step

    def next(self) -> Step | None:
        """The step whose result the code may have now; each comes once, in the log's order."""
        while True:
            kept = [each for each in self._kept if each[1].asked and each[0] <= self._done]
            for each in kept:
                self._kept.remove(each)
                if not each[1].given_up:
                    return each[1]
            if self._done == len(self._order):
                return None
            step, came = self._order[self._done]
            if came and not self._given_up(step):
                return None
            if not came and not step.asked:
                return None
            self._done += 1
            if came and not step.given_up:
                return step

    @property
    def missing(self) -> Step | None:
        """The step that the code must ask for, or give up, before anything new may happen."""
        if self._done == len(self._order):
            return None
        return self._order[self._done][0]

    def failed_steps(self) -> list[str]:
        """The steps that run again if a run is reopened.

        Those that the error came from, and of a run that failed, those of whose failure the code
        has made nothing yet: it asked for no step after them.
        """
        last = max((n for n, (_, came) in enumerate(self._order) if not came), default=-1)
        if self._ended and self._ended.status == "limit":
            last = len(self._order)
        named = self._ended.failed_steps if self._ended else ()
        found = [
            step.call.id
            for number, (step, came) in enumerate(self._order)
            if came and step.has_failed and (step.call.id in named or number > last)
        ]
        return found + [
            step.call.id for _, step in self._kept if step.has_failed and step.call.id in named
        ]

    def _reopen(self) -> None:
        """Go back to the first failure that the error came from, or to where the code ended."""
        again = self.failed_steps()
        cut = len(self._order)
        while cut and self._order[cut - 1][1] and self._order[cut - 1][0].is_cancelled:
            cut -= 1
        for number, (step, came) in enumerate(self._order[:cut]):
            if came and step.call.id in again:
                cut = number
                break
        cut = min([cut, *(number for number, step in self._kept if step.call.id in again)])
        before, after = self._order[:cut], self._order[cut:]
        done = {step.call.id for step, came in before if came}
        asked = {step.call.id for step, _ in before}
        came_later = [(min(number, cut), step) for number, step in self._kept]
        came_later += [(cut, step) for step, came in after if came]
        self._kept = []
        for number, step in came_later:
            if step.call.id in done:
                continue
            if step.call.id not in again and not step.is_cancelled:
                self._kept.append((number, step))
            elif step.call.id in asked:
                step.at = step.came = step.given = None
                step.given_up = False
            else:
                self.steps.pop(step.call.id, None)
        self._order = before

    def _step_of(self, call: e.Call) -> Step:
        """The step of this call: a new one where the code goes another way than at first."""
        step = self.steps.setdefault(call.id, Step(call))
        if not step.asked and self._is_other(step, call):
            step = self.steps[call.id] = Step(call)
        return step

    def _is_other(self, step: Step, call: e.Call) -> bool:
        """Whether a kept result is of another call: the code goes another way now."""
        kept = [each for each in self._kept if each[1] is step]
        was_asked = any(one is step for one, _ in self._order)
        same = call_digest(step.call.name, step.call.arguments) == call_digest(
            call.name, call.arguments
        )
        if not kept or was_asked or same:
            return False
        self._kept = [each for each in self._kept if each[1] is not step]
        return True

    def changed(self, awaits: Sequence[str] = ()) -> FlowChanged:
        """The error for code that no longer asks for the missing step, or no longer gives it up.

        `awaits` is what else it waits for.
        """
        step = self.missing
        assert step
        instead = "doesn't ask for it any more"
        new = [each.call for each in self.steps.values() if each.at is None]
        if new:
            instead = f"asks for {new[0].id}, {_show(new[0])}, instead"
        if step.asked:
            instead = "awaits it, where it had been given up"
        instead = " and awaits ".join([instead, *awaits])
        return FlowChanged(
            f"the flow's code has changed under its log: next came step {step.call.id},"
            f" {_show(step.call)}; the code {instead}. Nothing was written; go on with the code of"
            " then, or cancel the thread"
        )

    def _is_open(self, call_id: str) -> bool:
        step = self.steps.get(call_id)
        return step is not None and step.at is not None and step.came is None

    def _given_up(self, step: Step) -> bool:
        """False if the log says that the code gave this step up, and now it hasn't yet."""
        return step.given_up or not step.is_cancelled

    def _cut_off(self) -> None:
        """Mark the steps that the limit has just ended as given up: the code gets no result."""
        for step, came in reversed(self._order):
            if not came or self._given_up(step):
                return
            step.given_up = True

    def _came(self, call_id: str, event: Came) -> None:
        step = self.steps[call_id]
        step.came = event
        self._order.append((step, True))


def find_failed_steps(records: Iterable[e.Record]) -> list[str]:
    """The steps that run again if a failed run is reopened, by the records of its thread."""
    history = History()
    opened = False
    for record in records:
        if opened:
            history.add(record)
        opened = opened or (isinstance(record.event, e.UserSaid) and not record.event.answers)
    return history.failed_steps()


def _show(call: e.Call) -> str:
    return f"{call.name} {shorten(call.arguments, MAX_SHOWN_CHARS)}"
