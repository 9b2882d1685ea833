"""What a drive goes by besides the log, and the next model call that follows from both. Does no I/O itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as change
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallState
from ..core.context import Context
from ..core.decide import CallModel, Policy
from ..core.errors import ToolError, UsageError
from ..core.limits import MIN_OUTPUT_TOKENS, allowed_output_tokens, tightest_limit
from ..core.model import Called, Message, Model, Request, prompt_hash
from ..core.prompt import LAST_WORD, PLAN, Prompt
from ..core.state import State
from ..core.tokens import find_token_counter
from ..core.tool import Tool
from ..core.transcript import SUMMARY_INSTRUCTIONS as MINUTES
from ..core.transcript import format_transcript, max_summary_tokens
from ..core.window import ContextWindow, choose_compaction
from . import call_model as asking
from . import run_tool as running

NO_MODEL = "none"
"""The name of the model of a flow, which has none."""

Ask = Callable[
    [Model, Called, int, float | None, float, Callable[[str], None]],
    Awaitable[e.ModelReplied | e.ModelFailed],
]
RunTool = Callable[
    [Tool, str, Context, float | None, float],
    Awaitable[e.ToolReturned | e.ToolFailed | e.ChildWaits],
]


@dataclass(frozen=True)
class RunSettings:
    """An agent's settings, worked out."""

    policy: Policy
    model: Model
    system: str = ""
    output_schema: dict[str, Any] | None = None
    deps: Any = None
    context_window: ContextWindow = ContextWindow()
    team: Mapping[str, "RunSettings"] = field(default_factory=dict)
    """By name, the agents that may be handed the thread, itself among them; none where nobody may."""
    ask: Ask = asking.ask
    run_tool: RunTool = running.run_tool
    """One model call and one attempt of a tool, each to the fact that came of it. A replay puts its own there."""

    def of(self, state: State) -> "RunSettings":
        """The settings of the agent that is in charge of the thread."""
        if state.agent not in self.team:
            return self
        return change(self.team[state.agent], deps=self.deps, ask=self.ask, run_tool=self.run_tool)

    def start_events(
        self, state: State, thread_id: str, calls: Sequence[CallState]
    ) -> list[e.Event]:
        """What is written before these calls run, together."""
        started: list[e.Event] = [
            e.ToolStarted(call.id, call.key, call.attempt + 1) for call in calls
        ]
        children = [
            (call, tool.child)
            for call in calls
            if (tool := self.policy.find_tool(call)) and not call.child
        ]
        lends = [(call, limits) for call, limits in children if limits]
        own, spent = self.policy.limits, state.spent
        for call, limits in lends:
            tokens = None if own.tokens is None else max(0, own.tokens - spent.tokens) // len(lends)
            cost_usd = (
                None
                if own.cost_usd is None
                else max(0.0, own.cost_usd - spent.cost_usd) / len(lends)
            )
            lent = tightest_limit(tokens, limits.tokens), tightest_limit(cost_usd, limits.cost_usd)
            started.append(e.ChildStarted(call.id, f"{thread_id}.{call.id}", *lent))
        return started

    def count_tokens(self, request: Request, state: State) -> int:
        """The request's tokens, as near as can be said before it is made, and rather too many."""
        count, density = (
            find_token_counter(self.model.name),
            state.calibration.of(self.model.name).ratio,
        )
        return int((request.exact_tokens(count) if count else request.tokens) * density) + 1

    @property
    def output_tokens(self) -> int:
        """What a reply is asked to have, at most."""
        return min(self.model.max_output_tokens, self.model.context_tokens // 2)

    @property
    def summary_tokens(self) -> int:
        """What a summary is asked to have, at most."""
        return min(self.output_tokens, max_summary_tokens(self.room_tokens(0)))

    def room_tokens(self, refused_tokens: int) -> int:
        """What a prompt may have: what the model's context leaves, less where it has refused one that large."""
        room = self.model.context_tokens - self.output_tokens
        if self.context_window.max_tokens is not None:
            room = min(room, self.context_window.max_tokens)
        return min(room, refused_tokens // 2) if refused_tokens else room

    def left_s(self, state: State) -> float | None:
        """Seconds of work that the turn has left; None for no limit."""
        limit_s = self.policy.limits.seconds
        return None if limit_s is None else max(0.0, limit_s - state.spent.seconds)

    def identity(self, agent: str) -> e.Identity:
        """What a claim says of the agent, so that a later one can see what has changed."""
        tools = {name: tool.schema.digest.hex()[:12] for name, tool in self.policy.tools.items()}
        return e.Identity(
            agent, self.model.name, blake2b(self.system.encode(), digest_size=6).hexdigest(), tools
        )

    def claim(self, agent: str, state: State, worker: str) -> e.ThreadClaimed:
        """What a driver of that name writes first; the agent's identity only where it has changed."""
        identity = self.identity(agent)
        return e.ThreadClaimed(worker, None if state.identity == identity else identity)

    def refuse_unpriced(self) -> None:
        """Raises UsageError for a cost limit that can't hold."""
        limits = self.policy.limits
        if (
            limits.cost_usd is None
            or limits.unpriced
            or self.model.cost_usd(e.Usage(1, 1)) is not None
        ):
            return
        raise UsageError(
            f"cost_usd={limits.cost_usd} can't hold: no price is known for {self.model.name}."
            " Limit tokens instead, or say Limits(unpriced=True) to let calls of unknown price pass"
        )

    def refuse_edit(self, tool: str, arguments: str) -> None:
        """Raises UsageError for arguments of a person's that the tool doesn't take, and where it isn't here to say."""
        if tool not in self.policy.tools:
            raise UsageError(f"{tool} isn't a tool of this agent, so the edit can't be checked")
        try:
            self.policy.tools[tool].arguments_of(arguments)
        except ToolError as error:
            raise UsageError(f"those arguments won't do: {error}") from None

    def refuse_missing(self, state: State) -> None:
        """Raises UsageError where calls are under way, or decided on, whose tools aren't here."""
        under_way = ("allowed", "waiting", "question", "started", "retrying", "child", "unknown")
        if self.team and state.agent not in self.team:
            known = ", ".join(self.team)
            raise UsageError(
                f"the thread was handed to {state.agent!r}, and this agent's team has only: {known}"
            )
        open_calls, tools = state.turn.calls if state.turn else (), self.of(state).policy.tools
        gone = {c.name for c in open_calls if c.status in under_way and c.name not in tools}
        if gone:
            known = ", ".join(tools) or "none"
            raise UsageError(
                f"this turn has calls under way of {', '.join(sorted(gone))}, which this agent doesn't have (it has:"
                f" {known}). Resume with an agent that does, or cancel the turn"
            )


def build_request(
    prompt: Prompt, job: RunSettings, purpose: e.Purpose, upto_seq: int = 0
) -> Request:
    """What the model is asked, by what the log shows of the history; `upto_seq` as in ModelCalled."""
    if purpose == "compact":
        going = (
            each for each in prompt.rounds if each.seq <= upto_seq and not each.pinned
        )  # pinned ones stay
        text = format_transcript(prompt.summary, going)
        return Request((Message("system", MINUTES), Message("user", text)), (), job.summary_tokens)
    tools = () if purpose != "step" else tuple(tool.schema for tool in job.policy.tools.values())
    note = {
        "plan": PLAN.format(tools=", ".join(job.policy.tools) or "none"),
        "answer": LAST_WORD,
        "step": "",
    }
    schema = None if purpose == "plan" else job.output_schema  # a plan is prose
    messages = prompt.messages(job.system, note[purpose])
    return Request(
        tuple(message.to(job.model.name) for message in messages), tools, job.output_tokens, schema
    )


def prepare_call(
    state: State, prompt: Prompt, job: RunSettings, step: CallModel
) -> Called | e.ContextCompacted | e.LimitReached:
    """The model call that `decide` asked for; what must be left out, or summarised, first; or the limit in its way."""
    request, upto_seq = build_request(prompt, job, step.purpose), 0
    counted = job.count_tokens(request, state)
    scale = counted / request.tokens
    room = job.room_tokens(state.calibration.of(job.model.name).refused_tokens)
    fixed = request.tokens - prompt.tokens  # system, tools and note
    summary_room = int((room - job.summary_tokens) / scale)
    found = choose_compaction(
        prompt, job.context_window, int(room / scale) - fixed, summary_room, _summarises(state)
    )
    if isinstance(found, e.ContextCompacted):
        return found
    if found:
        upto_seq = found.upto_seq
        request = build_request(prompt, job, "compact", upto_seq)
        counted = job.count_tokens(request, state)
    wanted = request.max_output_tokens
    least = (
        wanted if found else MIN_OUTPUT_TOKENS
    )  # half a summary would stand for the whole of what it leaves out
    allowed = allowed_output_tokens(
        job.policy.limits, state.spent, counted, wanted, job.model.cost_usd, least
    )
    if isinstance(allowed, e.LimitReached):
        return allowed
    named = prompt_hash(request.messages, request.tools)
    reserved_usd = job.model.cost_usd(e.Usage(counted, allowed)) or 0.0
    purpose = "compact" if found else step.purpose
    fact = e.ModelCalled(
        job.model.name, named, counted, allowed, purpose, step.attempt, reserved_usd, upto_seq
    )
    return Called(replace(request, max_output_tokens=allowed), fact)


def _summarises(state: State) -> bool:
    return state.turn is None or not state.turn.summary_failed
