"""An agent's resolved settings: all that a run goes by besides the log. Does no I/O itself."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from ..core import events as e
from ..core.budget import Budget
from ..core.call import CallState
from ..core.context import Context
from ..core.describe import describe_policy, describe_tool, policy_from, window_from
from ..core.errors import ToolError, UsageError
from ..core.limits import Cost, Limits, cost_in_tier, raise_limits
from ..core.model import Model, PreparedCall, Request, place_of
from ..core.model_settings import ModelSettings, refuse_uncarried
from ..core.policy import Policy
from ..core.state import State
from ..core.tokens import find_token_counter
from ..core.tool import Tool
from ..core.transcript import max_summary_tokens
from ..core.window import ContextWindow
from ..models.known_secrets import redact_known
from .call_model import call_model
from .check_call import CallChecker, check_call
from .describe import describe_model, describe_settings, model_from, settings_in_log
from .price import price_of
from .run_check import CheckRunner, Checks, run_check
from .run_tool import ToolOutcome, run_tool

EXACT_FROM_TOKENS = 2000
"""Smaller prompts are only estimated: to load a vocabulary takes half a second of CPU."""
NO_MODEL = "none"
"""The name of the model of a flow, which has none."""

ModelCaller = Callable[
    [Model, PreparedCall, int, float | None, float, Callable[[str | e.Thinking], None]],
    Awaitable[e.ModelReplied | e.ModelFailed],
]
ToolRunner = Callable[
    [Tool, str, Context, float | None, float, Callable[[ToolOutcome], Any]],
    Coroutine[Any, Any, ToolOutcome],
]


@dataclass(frozen=True)
class Hands:
    """What a drive does beyond its log. A replay has other ones, which give what was recorded."""

    call_model: ModelCaller = call_model
    """Makes one model call and gives the event it ends in."""
    run_tool: ToolRunner = run_tool
    """Makes one attempt of a tool call and gives the event it ends in."""
    check_call: CallChecker = check_call
    """Asks a tool's `verify` what became of a call."""
    find_place: Callable[[Model], str] = place_of
    """Gives where a model is asked."""
    run_check: CheckRunner = run_check
    """Asks the checks, and the rules with functions."""
    are_live: bool = True
    """False in a replay: what describes the agent, what children wait for and what became of work
    elsewhere is taken from the recording."""

    @property
    def runs_tools(self) -> bool:
        """Whether tools really run, and need their deps."""
        return self.run_tool is run_tool


@dataclass(frozen=True)
class OfRun:
    """What one run was given, whichever agent is in charge."""

    deps: Any = None
    settings: ModelSettings = ModelSettings()
    """What is asked of the model in this run alone. It wins over the agent's."""
    instructions_from_log: bool = False
    """A function of instructions isn't called where the log has any: a resume without the deps."""
    hands: Hands = Hands()


@dataclass(frozen=True)
class RunSettings:
    """An agent's settings, resolved: the tools are made, the model is found."""

    policy: Policy
    model: Model
    system: str = ""
    """The system prompt; where `instructions` are a function, what follows them."""
    output_schema: dict[str, Any] | None = None
    name: str = "agent"
    """The agent's."""
    run: OfRun = OfRun()
    models: tuple[Model, ...] = ()
    """All of the agent's, in the order in which they are asked; empty: `model` alone."""
    instructions: Callable[[Context], str | Awaitable[str]] | None = None
    """Gives the instructions of a turn: see instructions.py."""
    settings_of_agent: ModelSettings = ModelSettings()
    """What the agent asks of its model."""
    context_window: ContextWindow = ContextWindow()
    budgets: tuple[Budget, ...] = ()
    """What its model calls are paid from besides the limits of the turn."""
    own_limits: Limits | None = None
    """The agent's own, where those of the policy have been raised."""
    team: Mapping[str, "RunSettings"] = field(default_factory=dict)
    """By name, this agent and those that the thread may be handed to; empty without handoffs."""
    checks: Checks = Checks()

    def in_charge(self, state: State) -> "RunSettings":
        """The settings of the agent that is in charge of the thread, with the turn's model."""
        settings = self
        if state.agent in self.team:
            settings = replace(self.team[state.agent], run=self.run)
        settings = settings.with_raised(state)
        if state.turn is None or state.turn.ended:
            return settings
        return settings.with_model(state.turn.model)

    def with_raised(self, state: State) -> "RunSettings":
        """The settings with the limits as people have raised them for the turn."""
        if state.turn is None or state.turn.raised is None:
            return self
        limits = raise_limits(self.own_limits or self.policy.limits, state.turn.raised)
        policy = replace(self.policy, limits=limits)
        return replace(self, policy=policy, own_limits=self.own_limits or self.policy.limits)

    def with_model(self, name: str) -> "RunSettings":
        """The settings with the agent's model of this name; as they are where it has none."""
        for model in self.models:
            if model.name == name != self.model.name:
                return replace(self, model=model)
        return self

    def count_tokens(self, request: Request, state: State) -> int:
        """The request's tokens, estimated before it is made, and rather too many."""
        tokens = request.tokens
        count = find_token_counter(self.model.name)
        if count and tokens >= EXACT_FROM_TOKENS:
            tokens = request.exact_tokens(count)
        return int(tokens * state.calibration.of(self.model.name).ratio) + 1

    @cached_property
    def asked(self) -> ModelSettings:
        """What is asked of the model: it puts this over its own."""
        return self.run.settings.over(self.settings_of_agent)

    @cached_property
    def cost_usd(self) -> Cost:
        """What a usage of the model costs in the service tier that is asked for, if known."""
        return cost_in_tier(partial(price_of, self.model), self.asked.service_tier)

    @cached_property
    def output_tokens(self) -> int:
        """The most tokens that a reply is asked to have."""
        most = self.asked.max_output_tokens or self.model.max_output_tokens
        return min(most, self.model.context_tokens // 2)

    @property
    def summary_tokens(self) -> int:
        """The most tokens that a summary is asked to have."""
        return min(self.output_tokens, max_summary_tokens(self.room_tokens(0)))

    def room_tokens(self, refused_tokens: int) -> int:
        """The most tokens that a prompt may have: what the model's context leaves beside the reply.

        Half of `refused_tokens` where the model has refused a prompt that large (0: it has not).
        """
        room = self.model.context_tokens - self.output_tokens
        if self.context_window.max_tokens is not None:
            room = min(room, self.context_window.max_tokens)
        if refused_tokens:
            room = min(room, refused_tokens // 2)
        return room

    def left_s(self, state: State) -> float | None:
        """Seconds of work that the turn has left; None for no limit."""
        limit_s = self.policy.limits.seconds
        if limit_s is None or state.turn is None:
            return limit_s
        return max(0.0, limit_s - state.turn.active_s)

    def as_recorded(self, described: e.AgentDescribed | None) -> "RunSettings":
        """These settings, with those that the recorded run was given."""
        if described is None:
            return self
        told = {name: described.settings.get(name) for name in described.of_run}
        return replace(self, run=replace(self.run, settings=settings_in_log(told)))

    def told_as(self, described: e.AgentDescribed | None) -> "RunSettings":
        """These settings, with the recorded instructions where today's are a function."""
        if described is None or self.instructions is None:
            return self
        return replace(self, system=described.instructions, instructions=None)

    def describe(self) -> e.AgentDescribed:
        """What the agent is made of, as the log has it once it has done anything."""
        return self._description

    @cached_property
    def _description(self) -> e.AgentDescribed:
        return e.AgentDescribed(
            self.name,
            self.model.name,
            self.system,
            {name: describe_tool(tool) for name, tool in self.policy.tools.items()},
            describe_model(self.model, self.asked),
            self.output_schema,
            describe_policy(self.policy, self.context_window),
            tuple(sorted(describe_settings(self.run.settings))),
        )

    def everybody(self) -> "list[RunSettings]":
        """The settings of every agent that the thread may be handed to, or of this one alone."""
        return list(self.team.values()) or [self]

    def refuse_uncarried(self) -> None:
        """Raise UsageError for settings that an agent's model can't be told."""
        for each in self.everybody():
            asked = self.run.settings.over(each.settings_of_agent)
            for model in each.models or (each.model,):
                carried = getattr(model, "carried_settings", ("max_output_tokens",))
                refuse_uncarried(asked, carried, model.name)

    def refuse_edit(self, tool: str, arguments: str) -> None:
        """Raise UsageError for edited arguments that are wrong, or that can't be checked."""
        if tool not in self.policy.tools:
            raise UsageError(f"{tool} isn't a tool of this agent, so the edit can't be checked")
        try:
            self.policy.tools[tool].arguments_of(arguments)
        except ToolError as error:
            raise UsageError(redact_known(f"those arguments won't do: {error}")) from None

    def refuse_missing(self, state: State) -> None:
        """Raise UsageError where the turn needs an agent or a tool that isn't here."""
        if self.team and state.agent not in self.team:
            raise UsageError(
                f"the thread was handed to {state.agent!r}, and this agent's team has only:"
                f" {', '.join(self.team)}"
            )
        tools = self.in_charge(state).policy.tools
        missing = {
            call.name
            for call in state.calls.values()
            if call.status not in ("asked", "denied") and _is_missing(tools, call)
        }
        if missing:
            raise UsageError(
                f"this turn has calls under way of {', '.join(sorted(missing))}, which this agent"
                f" doesn't have (it has: {', '.join(tools) or 'none'}). Resume with an agent that"
                " does, or cancel the turn"
            )


def _is_missing(tools: Mapping[str, Tool], call: CallState) -> bool:
    """Whether the call's tool isn't among these, or can't be asked what became of its work."""
    tool = tools.get(call.name)
    return tool is None or (call.polls and tool.poll is None)


def settings_from(described: e.AgentDescribed) -> RunSettings:
    """The settings of an agent as its log describes it: enough to build its requests again.

    Its tools have schemas and no functions. Its model has a name, can't be asked, and has no known
    price. Without a policy in the description, the limits are today's defaults.
    """
    return RunSettings(
        policy_from(described),
        model_from(described),
        described.instructions,
        output_schema=described.output_schema,
        name=described.agent,
        settings_of_agent=settings_in_log(described.settings),
        context_window=window_from(described),
    )
