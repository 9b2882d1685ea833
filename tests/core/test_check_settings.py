"""Settings with values that can't be are refused when they are made, in words."""

import math

import pytest

from fakes import agent
from treadle import (
    ContextWindow,
    Limits,
    MemoryStore,
    ModelSettings,
    Rule,
    Tool,
    ToolRetry,
    flow,
    tool,
)
from treadle.core.check_settings import check_number, check_whole_number
from treadle.core.errors import ModelUnavailable, UsageError
from treadle.evals.checks import MaxCost, MaxSeconds, MaxSteps, MaxTokens
from treadle.graphs.nodes import Node
from treadle.models.local.local_model import LocalModel
from treadle.models.remote_model import RemoteModel
from treadle.models.scripted import ScriptedModel
from treadle.notes.embeddings import OpenAIEmbedder
from treadle.notes.notes import Notes
from treadle.testing.assertions import assert_within
from treadle.tools.docs import IndexLimits
from treadle.tools.query import QueryLimits
from treadle.tools.web_fetch import FetchLimits

LIMITS = ("steps", "tool_calls", "tokens", "cost_usd", "seconds", "repeats", "model_tries")
NUMBERS = [math.nan, "5", -1, True, [5], 10**400]


def works() -> str:
    """Works."""
    return "done"


def made(**settings):
    return agent(ScriptedModel([]), **settings).run_settings


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(
    "make",
    [
        *(lambda value, name=name: Limits(**{name: value}) for name in LIMITS),
        lambda value: ContextWindow(max_messages=value),
        lambda value: ContextWindow(max_tokens=value),
        lambda value: tool(timeout_s=value)(works),
        lambda value: tool(retries=value, idempotent=True)(works),
        lambda value: tool(max_chars=value)(works),
        lambda value: Tool("t", "", {"type": "object"}, works, timeout_s=value),
        lambda value: RemoteModel("m", api_key="k", context_tokens=value),
        lambda value: RemoteModel("m", api_key="k", max_output_tokens=value),
        lambda value: RemoteModel("m", api_key="k", idle_s=value),
        lambda value: LocalModel(settings=ModelSettings(temperature=value)),
        lambda value: LocalModel(context_tokens=value),
        lambda value: OpenAIEmbedder("m", api_key="k", timeout_s=value),
        lambda value: OpenAIEmbedder("m", api_key="k", dimensions=value),
        lambda value: Notes(budget_tokens=value),
        lambda value: Node(works, most=value),
        lambda value: FetchLimits(total_s=value),
        lambda value: QueryLimits(total_s=value),
        lambda value: IndexLimits(files=value),
        lambda value: MaxSteps(value),
        lambda value: MaxTokens(value),
        lambda value: MaxCost(value),
        lambda value: MaxSeconds(value),
        lambda value: made(limits=value),
        lambda value: made(context_window=value),
        lambda value: made(unknown=value),
        lambda value: made(rules=[value]),
        lambda value: flow(works, store=MemoryStore(), limits=value).run_settings,
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(make, value):
    with pytest.raises(UsageError, match=r"it must be|; give |what it can be|is no rule|can't be"):
        make(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limits(seconds="5"),
        lambda: Limits(tokens=5.5),
        lambda: Limits(model_tries=0),
        lambda: Limits(last_word="no"),
        lambda: tool(timeout_s="5")(works),
        lambda: tool(needs_approval="no")(works),
        lambda: tool(read_only="no")(works),
        lambda: ToolRetry("later", retry_after_s="5"),
        lambda: ModelUnavailable("later", retry_after_s="5"),
        lambda: Rule("*", "alow"),
        lambda: Rule(["*"], "ask"),
        lambda: Rule("*", "ask", read_only="no"),
        lambda: made(unknown="maybe"),
        lambda: made(plan="no"),
        lambda: made(instructions=None),
        lambda: made(settings={"temperature": 0}),
        lambda: agent(ScriptedModel([])).run_sync("go", settings={"temperature": 0}),
        lambda: RemoteModel("m", api_key="k", settings={"temperature": 0}),
        lambda: LocalModel(settings={"temperature": 0}),
        lambda: ScriptedModel([], settings={"temperature": 0}),
        lambda: ScriptedModel(["hello"]),
        lambda: MaxSeconds("5"),
        lambda: assert_within((), seconds=math.nan),
        lambda: assert_within((), steps="5"),
    ],
)
def test_a_wrong_type_is_refused_when_it_is_made(make):
    with pytest.raises(UsageError, match=r"it must be|; give |what it can be|is no rule"):
        make()


def test_the_words_name_the_setting_and_what_may_stand_there():
    with pytest.raises(UsageError) as raised:
        Limits(seconds=math.nan)
    assert str(raised.value) == (
        "Limits(seconds=nan): it must be a finite number, 0 or more, or None for no limit"
    )
    with pytest.raises(UsageError, match="tool 'works': timeout_s='5': it must be a finite number"):
        tool(timeout_s="5")(works)
    with pytest.raises(UsageError, match=r"'alow'\): it must be 'allow' or 'ask' or 'deny'"):
        Rule("*", "alow")


def test_what_may_be_may_be():
    assert Limits(seconds=math.inf, tokens=math.inf) == Limits(seconds=None, tokens=None)
    assert tool(timeout_s=math.inf)(works).timeout_s is None
    assert Limits(seconds=5, cost_usd=0, steps=0).seconds == 5
    check_number("x", 0.5, 0.5)
    check_whole_number("x", None, or_none="nothing")
