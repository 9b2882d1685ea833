"""Tools on demand: what a prompt has of them, how they are found, and that the log says which are open."""

import itertools
import json
from collections.abc import Sequence

import pytest

from fakes import agent, found, live, world
from treadle import MemoryStore, Rule, ScriptedModel, Tool, tool
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls, says
from treadle.observe.cache import read_cache_steps
from treadle.runtime.fork import fork
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.tools.on_demand import make_index, on_demand
from treadle.tools.tool_search import find_tools

THINGS = ("invoice", "customer", "order", "parcel", "ticket", "contract", "branch", "meeting")
ACTS = ("create", "delete", "list", "archive", "export", "rename")


def many(count: int = 300) -> list[Tool]:
    made = []
    for number in range(count):
        act, thing = ACTS[number % len(ACTS)], THINGS[number // len(ACTS) % len(THINGS)]
        group = f"area{number // (len(ACTS) * len(THINGS))}"
        made.append(tool_of(f"{group}__{act}_{thing}", f"{act.title()} one {thing} of {group}."))
    return made


def tool_of(name: str, description: str, result: str = "done") -> Tool:
    parameters = {"type": "object", "properties": {"id": {"type": "string"}}}
    return Tool(name, description, parameters, lambda **_: result, dict)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def names(request: Request) -> list[str]:
    return [each.name for each in request.tools]


def search(words: str):
    return calls(("search_tools", {"query": words}))


def use(name: str, arguments: str = "{}"):
    return calls(("call_tool", f'{{"name": "{name}", "arguments": {arguments}}}'))


def test_300_tools_cost_at_most_2000_tokens_and_all_groups_are_named():
    model = ScriptedModel([says("hi")])
    live(agent(model, on_demand(many())).run("go"))
    [request] = model.seen
    assert request.tokens < 2000
    assert names(request) == ["search_tools", "call_tool"]
    system = request.messages[0].text
    assert "There are 300 more tools" in system
    assert "area0__: create_invoice, delete_invoice" in system
    assert "\narea6__: " in system
    assert " more" in make_index([each.name for each in many(3000)])


def test_what_is_found_stands_at_the_end_and_all_before_keeps_its_bytes():
    model = ScriptedModel(
        [
            search("archive a contract"),
            search("rename branch"),
            use("area0__rename_branch", '{"id": "7"}'),
            says("ok"),
        ]
    )
    result = live(agent(model, on_demand(many(48)), add).run("go"))
    for before, after in itertools.pairwise(model.seen):
        assert after.tools == before.tools
        assert after.messages[: len(before.messages)] == before.messages
    assert names(model.seen[0]) == ["search_tools", "call_tool", "add"]
    found = model.seen[1].messages[-1].text.splitlines()
    assert json.loads(found[1])["name"] == "area0__archive_contract"
    assert json.loads(found[1])["parameters"]["properties"] == {"id": {"type": "string"}}
    assert model.seen[-1].messages[-1].text == "done"
    assert all(step.broken_seq == 0 for step in read_cache_steps(result.records))


def test_in_the_log_it_is_a_call_of_the_tool_and_in_the_prompt_what_the_model_wrote():
    model = ScriptedModel([use("area0__list_ticket", '{"id": "7"}'), says("ok")])
    result = live(agent(model, on_demand(many(48))).run("go"))
    [call, *_] = [call for reply in found(result, e.ModelReplied) for call in reply.calls]
    assert (call.name, call.arguments, call.via) == (
        "area0__list_ticket",
        '{"id": "7"}',
        "call_tool",
    )
    [shown] = model.seen[1].messages[-2].calls
    assert shown.name == "call_tool"
    assert json.loads(shown.arguments) == {"name": "area0__list_ticket", "arguments": {"id": "7"}}


def test_the_log_has_the_definitions_only_where_the_model_was_told_of_them():
    model = ScriptedModel([search("archive a contract"), says("ok")])
    result = live(agent(model, on_demand(many())).run("go"))
    [described] = found(result, e.AgentDescribed)
    told = described.tools["area0__archive_contract"]
    assert told == e.ToolDescription("", {"type": "object"}, on_demand=True)
    assert len(encode_event(described)) < 40_000
    [returned] = found(result, e.ToolReturned)
    assert "Archive one contract" in returned.content


def test_resumes_forks_and_replays_have_the_same_tools():
    store, at = MemoryStore(), world()
    model = ScriptedModel(
        [search("archive a contract"), use("area0__archive_contract"), says("ok")]
    )
    live(agent(model, on_demand(many(48)), store=store, world=at).run("go", thread="t"))
    again = ScriptedModel([says("later"), says("forked")])
    later = agent(again, on_demand(many(48)), store=store, world=at)
    live(later.run("and now?", thread="t"))
    forked = live(fork(store, "t", world=at))
    live(later.run("and here?", thread=forked.thread_id))
    for request in again.seen:
        assert request.tools == model.seen[-1].tools
        shown = model.seen[-1].messages
        assert request.messages[: len(shown)] == shown
    records = live(open_log("t", store, at)).records
    assert live(replay(records, later.run_settings)) is None
    assert live(replay(records)) is None, "by the log alone"


def test_rules_and_approvals_are_those_of_the_tool():
    model = ScriptedModel(
        [
            Reply((*use("area0__delete_ticket").calls, *use("area0__list_ticket").calls)),
            says("ok"),
        ]
    )
    rules = [Rule("area0__delete_*", "deny"), Rule("area0__*", "ask")]
    result = live(agent(model, on_demand(many(48)), rules=rules).run("go"))
    [refused] = found(result, e.ToolFailed)
    assert "may not make this call" in refused.message
    [waits] = result.waiting
    assert waits.name == "area0__list_ticket"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"name": "nope"}', "there are: search_tools, call_tool, add"),
        ('{"name": "add", "arguments": {"a": "x", "b": 1}}', "a"),
        ('{"name": "add", "arguments": "{\\"a\\": 1, \\"b\\": 2}"}', "3"),  # JSON in a text
        ('{"name": " add\\n", "arguments": {"a": 1, "b": 2}}', "3"),
        ('{"name": "add", "a": 1}', "arguments"),
        ('{"name": "call_tool", "arguments": {}}', "can't be called so"),
        ("{", "JSON"),
        ('{"name": "add", "name": "search_tools", "arguments": {}}', "JSON"),
    ],
)
def test_what_can_t_be_called_is_told_to_the_model(arguments, told):
    model = ScriptedModel([calls(("call_tool", arguments)), says("ok")])
    live(agent(model, on_demand(many(48)), add).run("go"))
    assert told in model.seen[1].messages[-1].text


def test_a_search_that_finds_nothing_says_so_and_large_definitions_are_left_out():
    large = [tool_of(f"big_{number}", "Dig. " * 2000) for number in range(3)]
    model = ScriptedModel([search("xyzzy"), search("dig"), says("ok")])
    live(agent(model, on_demand([*many(6), *large])).run("go"))
    assert "No tool has these words" in model.seen[1].messages[-1].text
    assert len(model.seen[2].messages[-1].text.splitlines()) == 2


def test_a_tool_of_one_s_own_with_that_name_is_one_s_own():
    @tool
    def call_tool(name: str) -> str:
        """Phone somebody."""
        return f"called {name}"

    model = ScriptedModel([calls(("call_tool", {"name": "Ann"})), says("ok")])
    live(agent(model, call_tool).run("go"))
    assert model.seen[1].messages[-1].text == "called Ann"


class Server:
    """A source whose tools may change."""

    def __init__(self, *tools: Tool) -> None:
        self.tools = tools

    def find_tools(self) -> Sequence[Tool]:
        return self.tools


def test_tools_of_servers_are_among_them_and_are_read_again_where_they_change():
    server = Server(tool_of("mail__send", "Send a mail."))
    source = on_demand([add, server])
    first = source.find_tools()
    assert [each.name for each in first] == ["search_tools", "call_tool", "add", "mail__send"]
    assert [each.on_demand for each in first] == [False, False, True, True]
    assert source.find_tools() is first
    server.tools = (*server.tools, tool_of("mail__read", "Read a mail."))
    assert [each.name for each in source.find_tools()][3:] == ["mail__send", "mail__read"]
    assert on_demand([]).find_tools() == ()


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("exporting invoices", "area0__export_invoice"),  # other forms of the words
        ("area0 archive the meeting, please", "area0__archive_meeting"),
        ('"(*) AND create customer', "area0__create_customer"),  # no query language
    ],
)
def test_words_find_the_right_tool(query, right):
    assert find_tools(many(48), query, 1)[0].name == right


def test_words_of_parameters_and_parts_of_names_count():
    city = {"type": "object", "properties": {"cityName": {"description": "A town in Peru"}}}
    weather = Tool("getForecast", "Tells.", city, lambda **_: "", dict)
    other = tool_of("send", "Mails somebody.")
    for query in ("forecast", "city", "peru"):
        assert find_tools([other, weather], query, 5) == [weather]
    assert find_tools([other, weather], "", 5) == []


def test_words_of_a_script_without_spaces_are_found():
    weather = tool_of("weather", "天気を調べる")
    mail = tool_of("mail", "メールを送る")
    assert find_tools([mail, weather], "天気", 5) == [weather]
