"""What a run, an agent and a model ask for: which wins, what is sent, and what the log says."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fakes import agent, found, live, names
from server import says as answered
from server import serving
from treadle import (
    Agent,
    Limits,
    MemoryStore,
    ModelSettings,
    ScriptedModel,
    Usage,
    UsageError,
    flow,
    tool,
)
from treadle.core import events as e
from treadle.core.model import Message, Request, ToolSchema
from treadle.core.prompt import Prompt
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.chat.dialect import CHAT
from treadle.models.dialect import Dialect
from treadle.models.local.local_model import LocalModel
from treadle.models.remote_model import RemoteModel
from treadle.models.responses.dialect import RESPONSES
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.runtime.request import build_request

WARM = ModelSettings(temperature=1.0, seed=7)
COLD = ModelSettings(temperature=0.0)


@tool
def look() -> str:
    """Look."""
    return "seen"


def test_a_run_wins_over_the_agent_and_both_over_the_model():
    async def main() -> list[dict[str, object]]:
        async with serving(answered("a"), answered("b")) as server:
            model = RemoteModel(
                "m",
                base_url=server.url,
                api_key="k",
                settings=ModelSettings(temperature=0.5, top_p=0.5, extra={"top_k": 1, "x": 1}),
            )
            agents = agent(model, settings=ModelSettings(seed=7, stop="END", extra={"x": 2}))
            await agents.run("go", settings=ModelSettings(temperature=0, effort="low"))
            await agents.run("go")
            return [asked.body for asked in server.asked]

    first, second = asyncio.run(main())
    wanted = {"temperature": 0, "top_p": 0.5, "seed": 7, "stop": ["END"], "top_k": 1, "x": 2}
    for name, value in (wanted | {"reasoning_effort": "low"}).items():
        assert first[name] == value
    assert second["temperature"] == 0.5
    assert "reasoning_effort" not in second


def test_parallel_calls_are_only_spoken_of_with_tools():
    model = RemoteModel("m", base_url="http://127.0.0.1:1/v1", api_key="k")
    asked = Request((Message("user", "go"),), settings=ModelSettings(parallel_tool_calls=False))
    assert "parallel_tool_calls" not in json.loads(model.body(asked))
    with_tool = Request(
        asked.messages, (ToolSchema("t", "", {"type": "object"}),), settings=asked.settings
    )
    assert json.loads(model.body(with_tool))["parallel_tool_calls"] is False


def test_a_change_is_in_the_log_before_the_call_that_it_changes():
    model = ScriptedModel([says("a"), says("b"), says("c")])
    agents = agent(model, settings=WARM)
    live(agents.run("go", thread="t"))
    result = live(agents.run("on", thread="t", settings=COLD))
    assert names(result.records)[:3] == ["UserSaid", "AgentDescribed", "ModelCalled"]
    [described] = found(result, e.AgentDescribed)
    assert described.settings["temperature"] == 0.0
    assert described.settings["seed"] == 7
    assert described.of_run == ("temperature",)
    back = live(agents.run("on", thread="t"))
    assert found(back, e.AgentDescribed)[0].settings["temperature"] == 1.0
    assert [each.settings.temperature for each in model.seen] == [1.0, 0.0, 1.0]


def test_settings_hold_for_the_rest_of_a_turn_only_if_the_resume_says_so():
    ask = replace(look, needs_approval=True)
    model = ScriptedModel([calls("look"), says("a")])
    agents = agent(model, ask)
    waits = live(agents.run("go", thread="t", settings=COLD))
    live(agents.post("t", e.ApprovalGiven(waits.waiting[0].id, True, "ada")))
    live(agents.resume("t", settings=COLD))
    assert [each.settings for each in model.seen] == [COLD, COLD]


def test_a_replay_takes_what_the_run_was_given_and_names_what_has_changed_in_the_agent():
    store = MemoryStore()
    short = ModelSettings(max_output_tokens=100, extra={"key": "sk-1"})
    agents = agent(ScriptedModel([calls("look"), says("a"), says("b")]), look, store=store)
    live(agents.run("go", thread="t", settings=short))
    result = live(agents.run("go", thread="t"))
    called = found(result, e.ModelCalled)
    assert called[0].max_output_tokens == 4096
    assert live(agents.replay("t")) is None
    log = live(_records(agents))
    assert live(replay(log)) is None, "without the agent"
    named = live(replace(agents, settings=WARM).replay("t"))
    assert named
    assert (named.field, named.replayed) == ("settings", {"temperature": 1.0, "seed": 7})


async def _records(agents: Agent) -> list[e.Record]:
    assert agents.store
    return (await open_log("t", agents.store, agents.world)).records


@pytest.mark.parametrize("given", ["agent", "run"])
def test_what_a_model_can_t_be_told_is_refused_before_anything_is_written(given):
    store = MemoryStore()
    asked = ModelSettings(stop="END")
    agents = agent(LocalModel(), store=store, settings=asked if given == "agent" else WARM)
    with pytest.raises(UsageError, match="local has no setting 'stop'; it has max_output_tokens"):
        live(agents.run("go", thread="t", settings=asked))
    assert live(store.threads()) == []


def test_a_model_of_one_s_own_takes_only_what_it_says():
    class Own(ScriptedModel):
        def __init__(self) -> None:
            super().__init__([says("a")])
            del self.carried_settings

    with pytest.raises(
        UsageError, match="scripted has no setting 'temperature'; it has max_output"
    ):
        live(agent(Own(), settings=WARM).run("go"))
    assert live(agent(Own(), settings=ModelSettings(max_output_tokens=9)).run("go")).answer == "a"


def test_the_longest_reply_that_is_asked_for_is_what_limits_reserve():
    agents = agent(
        ScriptedModel([says("a")]),
        settings=ModelSettings(max_output_tokens=50),
        limits=Limits(last_word=False),
    )
    result = live(agents.run("go"))
    assert found(result, e.ModelCalled)[0].max_output_tokens == 50


def test_a_summary_is_never_stopped_by_a_text():
    settings = agent(ScriptedModel([]), settings=ModelSettings(stop="END", seed=1)).run_settings
    asked = build_request(Prompt(), settings, "compact").settings
    assert asked == ModelSettings(seed=1, stop=())
    assert build_request(Prompt(), settings, "step").settings.stop == ("END",)
    for dialect in (CHAT, MESSAGES):
        model = RemoteModel(
            "m",
            base_url="http://127.0.0.1:1",
            settings=ModelSettings(stop="END"),
            dialect=dialect,
        )
        body = json.loads(model.body(Request((Message("user", "go"),), settings=asked)))
        assert not body.keys() & {"stop", "stop_sequences"}


@pytest.mark.parametrize(
    ("dialect", "choice", "none"),
    [
        (CHAT, "required", "none"),
        (RESPONSES, "required", "none"),
        (MESSAGES, {"type": "any"}, {"type": "none"}),
    ],
)
def test_what_the_user_says_of_calls_is_sent_only_where_calls_are_taken(
    dialect: Dialect, choice: Any, none: Any
):
    search = {"type": "web_search_20250305", "name": "web_search"}
    extra = {"tool_choice": choice, "tools": [search], "response_format": {"type": "json_object"}}
    model = RemoteModel(
        "m", base_url="http://127.0.0.1:1", dialect=dialect, settings=ModelSettings(extra=extra)
    )
    settings = agent(model, settings=ModelSettings(extra={"top_k": 5})).run_settings

    def sent(request: Request) -> dict[str, Any]:
        body = json.loads(model.body(request))
        return {name: body[name] for name in (*extra, "top_k") if name in body}

    assert sent(build_request(Prompt(), settings, "compact")) == {"top_k": 5}
    asked = ModelSettings(extra={"tool_choice": choice})
    request = Request((Message("user", "go"),), (look.schema,), settings=asked)
    assert sent(request)["tool_choice"] == choice
    assert sent(msgspec.structs.replace(request, tool_choice="none"))["tool_choice"] == none
    asked = ModelSettings(extra={"tool_choice": choice, "tools": []})
    assert "tool_choice" not in sent(msgspec.structs.replace(request, tools=(), settings=asked))


def test_a_dearer_tier_that_a_run_asks_for_is_reserved_and_priced():
    class Tiered(ScriptedModel):
        def cost_usd(self, usage: Usage) -> float | None:
            price = 2.0 if usage.service_tier == "priority" else 1.0
            return price * usage.input_tokens

    agents = agent(Tiered([says("a"), says("b")]))
    plain = live(agents.run("go"))
    dear = live(agents.run("go", settings=ModelSettings(service_tier="priority")))
    [cheap_call], [dear_call] = found(plain, e.ModelCalled), found(dear, e.ModelCalled)
    assert dear_call.reserved_usd == 2 * cheap_call.reserved_usd
    assert found(dear, e.ModelReplied)[0].cost_usd == 2 * (
        found(plain, e.ModelReplied)[0].cost_usd or 0
    )


def test_settings_of_a_run_reach_a_step_of_a_flow():
    model = ScriptedModel([says("a")])
    inner = Agent(model=model)

    @flow(store=MemoryStore())
    async def whole() -> str:
        return (await inner.run("go", settings=COLD)).answer

    assert live(whole.run()).output == "a"
    assert model.seen[0].settings == COLD
