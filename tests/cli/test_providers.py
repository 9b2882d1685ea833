"""What a person with a key sees: the command on a real terminal, against strict servers."""

import asyncio
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.pseudoterminal import Terminal
from conformance.conversation import Calls, Dialect, Fails, Reply, Says, Thinks, reply
from conformance.suite import DIALECTS

TURN = (
    reply(Thinks("I compute."), Says("Let me see."), Calls("calculator", {"expression": "17*23"})),
    reply(Says("17 * 23 is 391.")),
)
SEEN = [
    "I compute.",
    "Let me see.",
    '→ calculator(expression="17*23")',
    "← calculator: 17*23 = 391",
    "17 * 23 is 391.",
]
DENIED = Fails(401, "Incorrect API key provided: k-secret.", "invalid_request_error")
KEYS = {"OPENAI_API_KEY": "k-secret", "ANTHROPIC_API_KEY": "k-secret"}


@contextmanager
def serving(dialect: Dialect, *replies: Reply | Fails) -> Iterator[Any]:
    """The strict server of a dialect, in a thread of its own."""
    up: list[Any] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with DIALECTS[dialect].module.serve(replies) as server:
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


def on_terminal(folder: Path, words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The lines that stay on the screen: what was erased isn't seen."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL")) and not name.startswith("TREADLE_")
    }
    state = {"TREADLE_DB": str(folder / "t.db"), "XDG_STATE_HOME": str(folder)}
    terminal = Terminal(["What is 17*23?", *words], {**inherited, **state, **environ})
    try:
        assert terminal.ended() == 0, terminal.shown
    finally:
        terminal.close()
    lines = []
    for line in terminal.shown.replace("\r\n", "\n").split("\n"):
        kept = re.sub(r"\x1b\[[\d;]*m", "", line.rpartition("\r\x1b[K")[2])
        lines.append(re.sub(r"  [\d.]+ (ms|s)$", "", kept).rstrip())
    return lines


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dialect", "words", "variable"),
    [
        ("responses", ["-m", "openai-responses:gpt-5-mini"], "OPENAI_BASE_URL"),
        ("messages", [], "ANTHROPIC_BASE_URL"),
    ],
)
def test_a_turn_with_a_thought_and_a_tool(tmp_path, dialect, words, variable):
    key = variable.replace("BASE_URL", "API_KEY")
    with serving(dialect, *TURN) as server:
        environ = {key: "k-secret", variable: server.server.url}
        lines = on_terminal(tmp_path, words, environ)
        assert server.faults == []
    assert lines[: len(SEEN)] == SEEN
    assert "2 steps, 1 tool call" in lines[len(SEEN)]
    assert "k-secret" not in " ".join(lines)


@pytest.mark.slow
def test_what_a_server_refuses_is_told_once_and_erases_nothing(tmp_path):
    # A server at an unknown address is sent `max_tokens`, which this one refuses.
    refused = Fails(400, "'max_tokens' isn't supported. Use 'max_completion_tokens' instead.")
    with serving("chat", refused, *TURN) as server:
        environ = {"OPENAI_API_KEY": "k-secret", "OPENAI_BASE_URL": server.server.url}
        lines = on_terminal(tmp_path, ["-m", "openai:gpt-5-mini"], environ)
        sent = ["max_tokens" in body for body in server.bodies]
    assert sent == [True, False, False]
    [warning] = [line for line in lines if "max_completion_tokens is sent" in line]
    lines.remove(warning)
    assert lines[: len(SEEN)] == SEEN


@pytest.mark.slow
def test_where_one_is_denied_the_other_goes_on_and_a_line_says_so(tmp_path):
    with serving("responses", DENIED) as denied, serving("messages", *TURN) as server:
        urls = {
            "OPENAI_BASE_URL": denied.server.url,
            "ANTHROPIC_BASE_URL": server.server.url,
        }
        models = ["-m", "openai-responses:gpt-5-mini,anthropic:claude-sonnet-5-5"]
        lines = on_terminal(tmp_path, models, {**KEYS, **urls})
        assert denied.faults == server.faults == []
        assert len(denied.bodies) == 1
    assert "openai-responses:gpt-5-mini can't go on (Incorrect API key" in lines[0]
    assert "anthropic:claude-sonnet-5-5 does" in lines[0]
    assert "k-secret" not in lines[0]
    assert lines[1 : len(SEEN) + 1] == SEEN
