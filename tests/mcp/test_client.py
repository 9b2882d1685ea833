"""The tools of MCP servers in an agent: names, schemas, results, time-outs, deaths, changed lists, what a server sees."""

import asyncio
import json
import os
import signal
import threading
import time

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import Agent, MemoryStore, Rule, ScriptedModel, ToolError, UsageError
from treadle.core.context import Context
from treadle.core.events import Image, ToolFailed, ToolReturned
from treadle.mcp import mcp
from treadle.mcp.background import submit
from treadle.mcp.definitions import CONTEXT, name_tools
from treadle.mcp.transport import is_closed
from treadle.models.scripted import calls, says

ALL = [Rule("*", "allow")]


def by_name(source):
    return {tool.name: tool for tool in source.find_tools()}


def call(source, name, **arguments):
    """One call of a tool, past the model."""
    tool = by_name(source)[f"plain__{name}"]
    checked = tool.arguments_of(json.dumps(arguments))
    return asyncio.run(tool.function(**checked, **{CONTEXT: Context(None, "t", "c", "k", 1)}))


def test_an_agent_calls_a_tool_of_a_server_with_checked_arguments(plain):
    model = ScriptedModel(
        [calls(("plain__echo", {"n": "7"})), calls(("plain__echo", {"n": "x"})), says("seven")]
    )
    agent = Agent(tools=[plain.tools()], model=model, rules=ALL, store=MemoryStore())
    result = agent.run_sync("say seven")
    assert result.answer == "seven"
    returned, failed = [
        r.event for r in result.records if isinstance(r.event, ToolReturned | ToolFailed)
    ]
    assert returned.content == "7"
    assert failed.kind == "arguments"
    assert asyncio.run(agent.replay(result.thread_id)) is None


def test_the_tools_have_the_server_s_name_and_come_in_one_order(plain):
    names = [*by_name(plain.tools())]
    assert names == sorted(names)
    assert names[0] == "plain__build"
    assert [*by_name(plain.tools(name="lamps", tools=["e*", "order"]))] == [
        "lamps__echo",
        "lamps__environment",
        "lamps__order",
    ]


@pytest.mark.parametrize("server", ["files", "my__files"])
def test_tools_are_chosen_by_the_server_s_own_names(old, server):
    long = "write_" + "x" * 70
    more = {
        name: {"description": "", "inputSchema": {"type": "object"}}
        for name in ("files.read", long)
    }
    (old.folder / "tools.json").write_text(json.dumps(more))
    chosen = old.tools(name=server, tools=["files.*", "echo", long])
    assert [name.removeprefix(f"{server}__")[:10] for name in by_name(chosen)] == [
        "echo",
        "files_read",
        "write_xxxx",
    ]
    assert not by_name(old.tools(name=server, tools=["files_read", "files__*"]))


def test_nothing_starts_before_an_agent_runs(plain):
    Agent(tools=[plain.tools()])
    assert not (plain.folder / "user").exists()
    assert mcp("no-such-program --flag").servers[0].name == "no-such-program"


def test_results_of_each_kind_are_what_the_model_can_be_shown(plain):
    said, picture, link, note = call(plain.tools(), "see")
    assert said == "a lamp"
    assert isinstance(picture, Image)
    assert link == "[link file:///lamp.txt: lamp]"
    assert note == "[file:///n.txt]\nturn left"


def test_an_error_of_the_tool_is_told_in_its_words(plain):
    with pytest.raises(ToolError, match=r"^no lamp there$"):
        call(plain.tools(), "fail")


def test_a_server_sees_neither_our_keys_nor_our_environment(plain, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "hush")
    seen = call(plain.tools(), "environment").split(",")
    assert "PATH" in seen
    assert {*seen} <= {
        "HOME",
        "LC_CTYPE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "TERM",
        "USER",
        "__CF_USER_TEXT_ENCODING",
    }


def test_a_call_without_a_word_ends_with_its_time(plain):
    with pytest.raises(ToolError, match=r"gave no result and no word of progress within 0\.2 s"):
        call(plain.tools(timeout_s=0.2), "hang")


def test_a_server_that_ends_in_mid_call_is_an_error_and_is_started_again(plain):
    source = plain.tools()
    first = call(source, "process")
    with pytest.raises(
        ToolError, match="ended while it worked on this call, which may have had its effect"
    ):
        call(source, "die")
    assert call(source, "process") != first


def test_kill_9_in_mid_call_leaves_its_outcome_unknown_and_the_next_call_starts_it_again(plain):
    source = plain.tools()
    pid = int(call(source, "process"))
    os.mkfifo(plain.folder / "hangs")

    def kill_in_mid_call():
        (plain.folder / "hangs").read_text()
        os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill_in_mid_call, daemon=True).start()
    model = ScriptedModel([calls(("plain__hang", {})), calls(("plain__process", {})), says("done")])
    agent = Agent(tools=[source], model=model, rules=ALL, store=MemoryStore(), unknown="tell")
    result = agent.run_sync("hang")
    failed, returned = [
        r.event for r in result.records if isinstance(r.event, ToolReturned | ToolFailed)
    ]
    assert (failed.kind, failed.unknown) == ("raised", True)
    assert "ended while it worked on this call" in failed.message
    assert returned.content != str(pid)
    assert result.answer == "done"


def spin_until(holds):
    """Let the loop of the connections turn until this holds."""
    end = time.monotonic() + 30
    while not holds():
        submit(asyncio.sleep(0)).result()
        assert time.monotonic() < end


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_server_that_ended_while_idle_is_started_again_and_the_call_is_made_once(plain):
    source = plain.tools()
    pid = int(call(source, "process"))
    [server] = source.sources()
    client = submit(server.connection.client()).result()
    os.kill(pid, signal.SIGKILL)
    spin_until(lambda: is_closed(client))
    assert int(call(source, "process")) not in (0, pid)


def test_a_server_that_never_lists_its_tools_ends_with_its_time_and_is_started_again(plain):
    [server] = plain.tools().sources()
    submit(server.connection.client()).result()
    server.connection.start_s = 0.05
    mute = plain.folder / "mute tools list"
    mute.write_text("")
    with pytest.raises(UsageError, match=r"plain doesn't list its tools: no answer in time$"):
        server.find_named()
    assert is_gone(int((plain.folder / "pid").read_text()))
    server.connection.start_s = 60
    mute.unlink()
    assert "plain__echo" in {tool.name for _, tool in server.find_named()}


def test_a_server_that_never_says_what_it_is_ends_with_its_time(old):
    (old.folder / "mute server discover").write_text("")
    (old.folder / "mute initialize").write_text("")
    [server] = old.tools().sources()
    server.connection.start_s = 0.05
    with pytest.raises(UsageError, match="it didn't answer in time"):
        server.find_named()


def test_a_call_that_is_cancelled_while_its_server_starts_leaves_none_behind(old):
    mute = old.folder / "mute server discover"
    mute.write_text("")
    [server] = old.tools().sources()
    pid = old.folder / "pid"
    starting = submit(server.connection.client())
    spin_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
    first = int(pid.read_text())
    starting.cancel()
    mute.unlink()
    submit(server.connection.client()).result()
    assert is_gone(first)
    assert int(pid.read_text()) != first


def test_a_server_that_cannot_start_is_named_with_what_it_said(tmp_path):
    with pytest.raises(
        UsageError, match=r"(?s)MCP server plain can't be started or reached.*No such file"
    ):
        mcp("python3 plain.py", name="plain").find_tools()
    with pytest.raises(UsageError, match="no-such-program"):
        mcp("no-such-program").find_tools()


def test_calls_need_approval_unless_a_rule_or_the_hints_of_a_trusted_server_say_otherwise(old):
    tools = by_name(old.tools())
    assert all(tool.needs_approval and not tool.idempotent for tool in tools.values())
    assert all(tool.labels == ("untrusted", "outward") for tool in tools.values())
    trusted = by_name(old.tools(trusted=True))
    assert (trusted["plain__echo"].read_only, trusted["plain__echo"].needs_approval) == (
        True,
        False,
    )
    assert trusted["plain__echo"].labels == ()
    assert (trusted["plain__process"].idempotent, trusted["plain__process"].needs_approval) == (
        True,
        False,
    )
    assert (trusted["plain__die"].idempotent, trusted["plain__die"].needs_approval) == (False, True)


def test_without_a_rule_the_turn_waits_for_a_person(old):
    model = ScriptedModel([calls(("plain__echo", {"n": 1}))])
    result = Agent(tools=[old.tools()], model=model, store=MemoryStore()).run_sync("go")
    assert result.status == "waiting"
    described = next(r.event for r in result.records if type(r.event).__name__ == "AgentDescribed")
    assert described.tools["plain__echo"].labels == ("untrusted", "outward")


def test_a_list_that_changes_counts_from_the_next_turn_on(old, consents):
    source = old.tools()
    agent = Agent(tools=[source], model=ScriptedModel([says("a"), says("b")]), store=MemoryStore())
    first = agent.run_sync("hi")
    (old.folder / "tools.json").write_text(json.dumps({"die": {"gone": True}}))
    (old.folder / "changed").write_text("")
    call(source, "process")
    second = agent.run_sync("hi again", thread=first.thread_id)
    described = [
        r.event.tools for r in second.records if type(r.event).__name__ == "AgentDescribed"
    ]
    assert [("plain__die" in tools, "plain__echo" in tools) for tools in described] == [
        (False, True)
    ]


def test_a_tool_whose_schema_cannot_be_checked_is_left_out(old, caplog):
    bad = {
        "odd": {
            "description": "",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        }
    }
    (old.folder / "tools.json").write_text(json.dumps(bad))
    assert "plain__odd" not in by_name(old.tools())
    assert "can't be offered" in caplog.text


def test_of_tools_with_one_name_the_last_one_is_offered(old, caplog):
    twice = {
        "again": {"name": "echo", "description": "Another.", "inputSchema": {"type": "object"}}
    }
    (old.folder / "tools.json").write_text(json.dumps(twice))
    source = old.tools()
    agent = Agent(tools=[source], model=ScriptedModel([says("a")]), store=MemoryStore())
    assert agent.run_sync("hi").answer == "a"
    assert by_name(source)["plain__echo"].description == "Say it again."
    assert "more than once" in caplog.text


def test_names_are_such_as_providers_take_and_stay_apart():
    names = name_tools("s", ["a.b", "a/b", "x" * 80, "x" * 81])
    assert len({*names.values()}) == 4
    assert all(
        len(name) <= 64 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
        for name in names.values()
    )
