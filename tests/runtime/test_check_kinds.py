"""Settings of a wrong kind are refused where they are written, in words that say what to give."""

import json
from collections.abc import Callable
from typing import Any, TypedDict

import pytest

from treadle import (
    Agent,
    Flow,
    Limits,
    MemoryStore,
    Notes,
    Rule,
    ScriptedModel,
    SQLiteStore,
    UsageError,
    flow,
    run_sync,
    step,
    tool,
)
from treadle.engines import LocalEngine, open_engine
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Edge, Node
from treadle.models.scripted import says
from treadle.runtime.elsewhere import elsewhere
from treadle.runtime.log import Log
from treadle.runtime.post import raise_limit
from treadle.runtime.world import World


class Shop:
    def price(self) -> int:
        "The price."
        return 1


def count_on(count: int) -> int:
    return count + 1


class Counted(TypedDict):
    count: int


def add(a: int, b: int) -> int:
    "Add."
    return a + b


async def hear(_: Any) -> None: ...


async def ship(count: int = 1) -> int:
    return count


helper = Agent("Help.", name="helper")
shipping = flow(ship)


def make_graph(**settings: Any) -> Graph:
    one = Node(count_on, "count", name="one")
    return Graph(Counted, [one], [Edge(START, "one"), Edge("one", END)], **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tools": [helper]}, "the Agent 'helper' is no tool: give what its as_tool() makes"),
        ({"tools": [shipping]}, "the Flow 'ship' is no tool: give what its as_tool() makes"),
        ({"tools": [make_graph()]}, "the Graph 'graph' is no tool: give what its as_tool() makes"),
        ({"tools": [Shop]}, "the class Shop is no tool: a class only makes objects; give a"),
        ({"tools": ["add"]}, "the text 'add' is no tool: a name isn't looked up; give the"),
        ({"tools": [json]}, "the module json is no tool: give a function or a Tool that is in it"),
        ({"tools": [{"name": "add"}]}, "a dict is no tool: make one of a JSON Schema with Tool("),
        ({"tools": [[add]]}, "a list is no tool: put * before it"),
        ({"tools": [None]}, "None is no tool: give a function or a Tool"),
        ({"tools": add}, "Agent(tools=) is the function add; give a list, such as [add, lookup]"),
        ({"tools": tool(add)}, "Agent(tools=) is the Tool 'add'; give a list"),
        ({"tools": "add"}, "Agent(tools=) is the text 'add'; give a list"),
        ({"tools": (each for each in [add])}, "Agent(tools=) is the generator <genexpr>; give a"),
        ({"handoffs": [shipping]}, "the Flow 'ship' is no agent, so no thread can be handed to"),
        ({"handoffs": [helper.as_tool()]}, "the Tool 'helper' is a tool; give the agent itself"),
        ({"handoffs": [Agent]}, "the class Agent is no agent; give an Agent, or the name of one"),
        ({"handoffs": helper}, "Agent(handoffs=) is the Agent 'helper'; give a list"),
        ({"handoffs": "helper"}, "Agent(handoffs=) is the text 'helper'; give a list"),
        ({"limits": {"steps": 5, "x": 1}}, "Agent(limits=) is a dict; give Limits(steps=...)"),
        ({"limits": None}, "Agent(limits=) is None; give Limits(steps=20)"),
        ({"limits": Limits}, "Agent(limits=) is the class Limits; give Limits(steps=20)"),
        ({"rules": [("add", "ask")]}, "a tuple is no rule; give Rule('add', 'ask')"),
        ({"rules": ["add"]}, "the text 'add' is no rule; give Rule('add', \"ask\")"),
        ({"rules": [add]}, "A function that judges calls is Rule(tools, before=function)"),
        ({"rules": Rule("*", "ask")}, "Agent(rules=) is a Rule; give a list"),
        ({"listeners": [7]}, "Agent(listeners=): an int can't be called; give a function of one"),
        ({"listeners": [Shop]}, "the class Shop would only be made anew; give an object of it"),
        ({"listeners": [hear]}, "the function hear is async, and listeners aren't awaited"),
        ({"listeners": print}, "Agent(listeners=) is the builtin_function_or_method print; give"),
        ({"store": 7}, "Agent(store=) is an int, which is no store: it has no append, read, thr"),
        ({"store": MemoryStore}, "the class MemoryStore; give an object: MemoryStore(...)"),
        ({"store": ""}, "Agent(store=) is an empty text; give a path"),
        ({"store": ":memory:"}, "use MemoryStore() for that"),
        ({"store": "sqlite:///a.db"}, "which is a URL; give the path of an SQLite file"),
        ({"output": None}, "Agent(output=) is None; give a type, such as int or a dataclass, or"),
        ({"output": {"type": "object"}}, "Agent(output=) is a dict; give a type, such as int"),
        ({"name": ""}, "Agent(name=) is the text ''; give a word that names it"),
        ({"name": None}, "Agent(name=) is None; give a word that names it"),
        ({"notes": True}, "Agent(notes=) is a bool; give Notes(...), or None for no notes"),
        ({"model": 7}, "Agent(model=) is an int; give a model's name"),
        ({"model": ScriptedModel}, "Agent(model=) is the class ScriptedModel; give a model's name"),
        ({"instructions": ["Be brief."]}, "Agent(instructions) is a list; give a text"),
        ({"unknown": "stop"}, "Agent(unknown=) is the text 'stop'; what it can be is 'ask' and"),
        ({"context_window": 5}, "Agent(context_window=) is an int; give ContextWindow("),
        ({"world": None}, "Agent(world=) is None; give World(...)"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_refused_in_words(settings: dict[str, Any], words: str):
    with pytest.raises(UsageError) as refused:
        Agent(**settings)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 250, "no wall of repr"


@pytest.mark.parametrize("made", [helper, shipping, Shop, "add", json, 7])
def test_the_decorator_refuses_the_same(made: Any):
    with pytest.raises(UsageError, match="is no tool: "):
        tool(made)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"limits": {"steps": 5}}, "(limits=) is a dict; give Limits(steps=...)"),
        ({"store": 7}, "(store=) is an int, which is no store"),
        ({"listeners": print}, "(listeners=) is the builtin_function_or_method print"),
        ({"listeners": [hear]}, "(listeners=): the function hear is async"),
        ({"name": ""}, "(name=) is the text ''"),
    ],
)
def test_flows_and_graphs_refuse_the_same(settings: dict[str, Any], words: str):
    for make, kind in ((lambda **given: flow(**given)(ship), "Flow"), (make_graph, "Graph")):
        with pytest.raises(UsageError) as refused:
            make(**settings)
        assert f"{kind}{words}" in str(refused.value)


@pytest.mark.parametrize("path", ["a.db", "more/a.db"])
def test_a_path_is_a_store(tmp_path, path):
    place = tmp_path / path
    with_path = Flow(ship, store=place)
    with_text = flow(store=str(place))(ship)
    graph = make_graph(store=str(place))
    assert with_path.options(thread="one").run_sync().output == 1
    assert with_text.options(thread="two").run_sync(2).output == 2
    assert graph.options(thread="three").run_sync(count=1).output == {"count": 2}
    agent = Agent(store=str(place))
    assert isinstance(agent._store, SQLiteStore)
    assert agent._store.path == place
    assert {info.thread_id for info in run_sync(agent._store.threads())} == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("mysql://host/name", "TREADLE_DB is the text 'mysql://host/name', which is a URL"),
        (":memory:", "TREADLE_DB: an SQLite database in memory would be lost"),
        (".", "TREADLE_DB: . is a folder"),
    ],
)
def test_so_is_a_place_in_the_environment(monkeypatch, place, told):
    monkeypatch.setenv("TREADLE_DB", place)
    for use in (lambda: helper.run_sync("Hi"), SQLiteStore):
        with pytest.raises(UsageError, match=told):
            use()


def test_a_folder_is_no_database(tmp_path):
    for make in (SQLiteStore, lambda path: Agent(store=path), lambda path: Agent(store=str(path))):
        with pytest.raises(UsageError, match="is a folder; give the path of a file in it"):
            make(tmp_path)
    with pytest.raises(UsageError, match=r"SQLiteStore\(an int\): give the path of a file"):
        SQLiteStore(3)


def test_a_path_in_the_home_directory_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Agent(store="~/a.db")._store
    assert isinstance(made, SQLiteStore)
    assert made.path == tmp_path / "a.db"


async def counts() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("ship", "the text 'ship' can't be a flow: give an async function"),
        (None, "None can't be a flow: give an async function"),
        (helper, "the Agent 'helper' can't be a flow"),
        (tool(add), "the Tool 'add' can't be a flow"),
        (Shop, "the class Shop can't be a flow"),
        (counts, "the function counts can't be a flow: it is a generator, with a `yield`"),
    ],
)
def test_what_is_no_async_function_is_no_flow(function: Any, words: str):
    for make in (flow(name="named"), Flow):
        with pytest.raises(UsageError) as refused:
            make(function)
        assert words in str(refused.value)


def test_a_graph_is_a_tool_by_as_tool():
    made = make_graph(name="counter").as_tool(description="Counts.")
    assert (made.name, made.description) == ("counter", "Counts.")
    assert Agent(tools=[made]).run_settings.policy.tools.keys() == {"counter"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda: helper.run("Hi", tread="t"),
        lambda: helper.start("Hi", tread="t"),
        lambda: helper.submit("Hi", tread="t"),
        lambda: raise_limit(Log("t", MemoryStore(), World()), "ann", {"tread": 5}),
    ],
)
def test_a_misspelt_option_is_named_beside_those_there_are(ask: Callable[[], Any]):
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'tread'; it takes: \w+, "):
        run_sync(ask())


def test_so_is_one_of_a_step():
    with pytest.raises(TypeError, match=r"argument 'retry'; it takes: retries, "):
        step.options(retry=3)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: helper.as_tool(name=3), "the name of a tool is an int"),
        (lambda: helper.as_tool(description=3), "description of tool 'helper' is an int"),
        (lambda: tool(name=3)(add), "the name of a tool is an int"),
        (lambda: tool(description=b"Add.")(add), "description of tool 'add' is a bytes"),
        (lambda: elsewhere("helper"), "the text 'helper'; give an Agent"),
        (lambda: elsewhere(Agent), "the class Agent; give an Agent"),
        (lambda: step.options(id=3), "an int; give a text that names the step"),
        (lambda: Notes("notes.db"), "the text 'notes.db'; give NoteStore"),
        (lambda: Notes(embedder="small"), "the text 'small'; give one, or None"),
        (lambda: Notes(scopes=[3]), "a scope is an int"),
        (lambda: Notes(scope=None), "a scope is None"),
        (lambda: Notes(scope="user:bob", scopes=["user:ann"]), "isn't among the scopes"),
        (lambda: Notes(scopes=["user:ann"]), "say where new notes go: scope='user:ann'"),
        (lambda: open_engine(LocalEngine), "the class LocalEngine; give an object"),
    ],
)
def test_what_is_made_of_a_wrong_kind_is_refused_in_words(make: Callable[[], Any], told: str):
    with pytest.raises(UsageError, match=told):
        make()


def test_a_thread_is_given_only_what_a_person_says_and_forked_at_a_number():
    agent = Agent("Help.", model=ScriptedModel([says("Hi.")]), store=MemoryStore())
    thread = agent.run_sync("Hi").thread_id
    with pytest.raises(UsageError, match="the text 'more' can't be posted"):
        run_sync(agent.post(thread, "more"))
    with pytest.raises(UsageError, match="the text '3'; give a record's number"):
        run_sync(agent.fork(thread, at="3"))
