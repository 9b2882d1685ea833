"""`-o key=value`, wherever `-m` works: what reaches the server, and what is said of a wrong one."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from cli.commandline import Treadle
from responses_server import check_shape, function_call, message, reasoning, streams
from server import Server, calls, failing, says, serving
from treadle.cli.model_settings import parse_model_options
from treadle.core.errors import UsageError

NO = (
    "Function tools with reasoning_effort are not supported for gpt-6-luna in"
    " /v1/chat/completions. To use function"
)
REFUSED = failing(
    400, {"error": {"message": f"{NO} tools, use /v1/responses or set reasoning_effort to 'none'."}}
)
CASES = "cases:\n  - {name: a, input: hi, checks: [contains: hello]}\n"


@contextmanager
def served(*answers: bytes) -> Iterator[Server]:
    """The server in a thread of its own: the command line has the event loop of this one.

    It closes each connection: the command line leaves that to the end of its process, which here
    never comes.
    """
    closing_each = [answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1) for answer in answers]
    up: list[Server] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(*closing_each) as server:
            up.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield up[0]
    finally:
        done.set()
        thread.join()


def sent(server: Server, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(asked.body.get(name) for name in names) for asked in server.asked]


def test_a_value_that_is_json_is_what_it_means_and_any_other_is_text() -> None:
    given = [
        "temperature=0",
        "stop=a=b",
        'user="7"',
        "seed=007",
        "logit_bias={}",
        "x=",
        "y=null",
        "z=NaN",
        " k =true",
    ]
    assert parse_model_options(given) == {
        "temperature": 0,
        "stop": "a=b",
        "user": "7",
        "seed": "007",
        "logit_bias": {},
        "x": "",
        "y": None,
        "z": "NaN",
        "k": True,
    }
    assert parse_model_options(["seed=1", "seed=2"]) == {"seed": 2}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            "temperature",
            "-o 'temperature' is no setting; it must be like -o temperature=0 or -o"
            " reasoning_effort=low",
        ),
        (
            "=1",
            "-o '=1' is no setting; it must be like -o temperature=0 or -o reasoning_effort=low",
        ),
        (
            "seed=1e999",
            "-o 'seed=1e999': the number is too large; for a text, put it in double quotes",
        ),
        ("stop=\udce9", "-o 'stop=\\udce9' isn't UTF-8; write it in the encoding of your terminal"),
    ],
)
def test_what_is_no_setting_is_refused_with_what_to_write_instead(option: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_model_options([option])
    assert str(refused.value) == said


def test_a_wrong_setting_ends_every_command_that_takes_a_model(treadle: Treadle) -> None:
    path = treadle.agents.parent / "d.yaml"
    path.write_text(CASES)
    for words in (["hi"], ["eval", str(path)]):
        ran = treadle(*words, "-m", "local", "-o", "top_k=1")
        assert (ran.code, ran.out) == (2, "")
        assert (
            "error: local has no setting 'top_k'; it has max_output_tokens, seed, temperature, top_p"
            in ran.err
        )
        ran = treadle(*words, "-o", "temperature", agent="agent")
        assert (ran.code, ran.err.count("is no setting; it must be like -o temperature=0")) == (
            2,
            1,
        )
    assert (
        "scripted takes no settings from outside"
        in treadle("hi", "-o", "context_tokens=1", agent="agent").err
    )


def test_settings_reach_the_model_of_a_question_and_win(treadle: Treadle) -> None:
    with served(says("hello")) as server:
        ran = treadle(
            "hi", "-m", f"{server.url}#m", "-o", "reasoning_effort=low", "-o", "max_tokens=33"
        )
    assert (ran.code, ran.out) == (0, "hello\n")
    assert sent(server, "reasoning_effort", "max_tokens") == [("low", 33)]


def test_settings_reach_the_model_of_an_agent_and_of_a_turn_that_goes_on(treadle: Treadle) -> None:
    model = (
        'RemoteModel("m", base_url=URL, api_key="k", settings=ModelSettings(seed=1, temperature=1))'
    )
    with served(calls(("send", {"to": "a", "text": "b"})), says("sent")) as server:
        code = f"\nURL = {server.url!r}\nfrom treadle import ModelSettings\nfrom treadle.models.remote_model import RemoteModel\n"
        with treadle.agents.open("a") as agents:
            agents.write(f"{code}real = Agent(model={model}, tools=[send])\n")
        ran = treadle("hi", "-t", "mine", "-o", "temperature=0", agent="real")
        assert ran.code == 4
        assert "-o temperature=0" in ran.err
        assert (
            treadle("approve", "mine", "--resume", "-o", "temperature=0", agent="real").out
            == "sent\n"
        )
    assert sent(server, "temperature", "seed") == [(0, 1), (0, 1)]


def test_settings_reach_the_model_of_an_eval(treadle: Treadle) -> None:
    path = treadle.agents.parent / "d.yaml"
    path.write_text(CASES)
    with served(REFUSED, says("hello")) as server:
        ran = treadle("eval", str(path), "-m", f"{server.url}#eval", "-o", "temperature=0")
    assert ran.code == 0
    assert sent(server, "temperature", "reasoning_effort") == [(0, None), (0, "none")]
    assert ran.err.count("takes tools here only with reasoning_effort=none") == 1


def test_the_default_model_uses_tools_and_says_once_that_it_does_not_reason(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = calls(("calculator", {"expression": "1+2"}))
    with served(REFUSED, tool, says("3."), tool, says("3.")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        first, second = treadle("1+2?"), treadle("1+2?", "-o", "reasoning_effort=none")
    assert (first.code, first.out, second.code, second.out) == (0, "3.\n", 0, "3.\n")
    assert (
        "openai:gpt-6-luna takes tools here only with reasoning_effort=none, so that is sent"
        in first.err
    )
    assert "reasoning_effort" not in second.err
    assert [effort for effort, _ in sent(server, "reasoning_effort", "model")] == [
        None,
        *["none"] * 4,
    ]


@pytest.mark.slow
def test_a_gateway_is_spoken_to_in_chat_completions_unless_the_name_says_otherwise(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = [reasoning(1, "It is a sum."), function_call(2, "calculator", {"expression": "1+2"})]
    with served(streams(called), streams([message(3, "3.")]), says("hello")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        asked = treadle(
            "1+2?", "-t", "t", "-m", "openai-responses:gpt-5-mini", "-o", "reasoning_effort=low"
        )
        other = treadle("hi", "-m", "openai:gpt-5-mini", "--tools", "none")
    assert (asked.code, asked.out, other.code, other.out) == (0, "3.\n", 0, "hello\n")
    paths = [each.line.split()[1] for each in server.asked]
    assert paths == ["/v1/responses", "/v1/responses", "/v1/chat/completions"]
    for each in server.asked[:2]:
        check_shape(each.body)
        assert each.body["reasoning"] == {"effort": "low"}
    assert "thinks It is a sum." in treadle("show", "t").out


def test_a_flow_takes_no_settings(treadle: Treadle) -> None:
    with treadle.agents.open("a") as agents:
        agents.write("\nfrom treadle import flow\n\n@flow\nasync def work(run):\n    return 1\n")
    ran = treadle("resume", "t", "-o", "seed=1", agent="work")
    assert (ran.code, "it takes no --option" in ran.err) == (2, True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudoterminals are POSIX's")
def test_settings_hold_for_the_models_of_a_chat(treadle: Treadle) -> None:
    from cli.pseudoterminal import Terminal

    with served(says("hello one"), says("hello two")) as server:
        words = [
            "-m",
            f"{server.url}#one",
            "-o",
            "frequency_penalty=1",
            "--tools",
            "none",
            "--no-project",
        ]
        with closing(Terminal(words, {**os.environ, "NO_COLOR": ""})) as terminal:
            terminal.prompt()
            terminal.type("hi\r")
            terminal.until("hello one")
            terminal.prompt()
            terminal.type("/model local\r")
            terminal.until("local has no setting 'frequency_penalty'")
            terminal.prompt()
            terminal.type(f"/model {server.url}#two\r")
            terminal.until("model http")
            terminal.prompt()
            terminal.type("hi\r")
            terminal.until("hello two")
            terminal.prompt()
            terminal.type("\x04")
            assert terminal.ended() == 0
    assert sent(server, "model", "frequency_penalty") == [("one", 1), ("two", 1)]


def test_the_next_model_goes_on_where_one_is_denied_or_has_no_key(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    denied = failing(401, {"error": {"message": "no such key"}})
    with served(denied, says("hello"), denied, says("again")) as server:
        one, two = f"{server.url}#one", f"{server.url}#two"
        ran = treadle("hi", "-t", "t", "-m", f"anthropic:claude,{one}", "-m", two)
        assert (ran.code, ran.out) == (0, "hello\n")
        assert (
            "anthropic:claude can't go on (anthropic:claude needs ANTHROPIC_API_KEY, which isn't"
            in ran.err
        )
        assert f"{one} can't go on (no such key (HTTP 401)): {two} does" in ran.err
        assert treadle("on", "-t", "t", "-m", f"{one},{two}").out == "again\n"
    assert sent(server, "model") == [("one",), ("two",), ("one",), ("two",)]
    assert treadle("replay", "t").code == 0
    assert treadle("replay", "t", "-m", f"{one},{two}").code == 1


@pytest.mark.slow
def test_a_turn_that_failed_by_an_outage_is_resumed_with_another_model(treadle: Treadle) -> None:
    denied = failing(401, {"error": {"message": "no such key"}})
    asks = calls(("calculator", {"expression": "1+2"}))
    with served(asks, denied, says("It is 3.")) as server:
        ran = treadle("1+2?", "-t", "t", "-m", f"{server.url}#one")
        assert ran.code == 1
        assert "nothing is lost; later, or with another model: treadle resume t" in ran.err
        assert "-m MODEL" in ran.err
        ran = treadle("resume", "t", "-m", f"{server.url}#two")
        assert (ran.code, ran.out) == (0, "It is 3.\n")
        assert "the last turn failed because no model could be reached" in ran.err
    assert [message["role"] for message in server.asked[2].body["messages"]][-1] == "tool"
    assert treadle("replay", "t").code == 0
    assert "the turn that had failed goes on" in treadle("show", "t", "--full").out
