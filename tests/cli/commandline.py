"""Runs `treadle` in this process, with agents out of a file that a test can name."""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from treadle.cli.main import main

AGENTS = """
from treadle import Agent, Context, Limits, ScriptedModel, SQLiteStore, run_sync, tool
from treadle.models.scripted import calls, says
from treadle.core.errors import ModelDenied
from treadle.tools.ask import ask_user
from treadle import Pending, ToolError
import time

def asked(handle, ctx):
    "What became of a job: the file beside the database says it."
    import os, pathlib
    path = pathlib.Path(os.environ["TREADLE_DB"]).with_name("job")
    said = path.read_text() if path.exists() else ""
    if not said:
        raise Pending(handle, due=0.05)
    if said == "failed":
        raise ToolError("the job has failed")
    return said

@tool
async def build(branch: str) -> str:
    "Build it elsewhere."
    raise Pending({"ci": "builds", "job": 7})

@tool(poll=asked)
async def ship() -> str:
    "Ship it elsewhere."
    raise Pending("ship-1", due=0.05)

@tool(needs_approval=True)
def send(to: str, text: str) -> str:
    "Send a message."
    return f"sent {text} to {to}"

@tool
def slow() -> str:
    "Wait."
    time.sleep(60)
    return "waited"

@tool
def until_said(context: Context) -> str:
    "Wait until the person says more."
    store = SQLiteStore()
    while not any(b'"steers":true' in row.event for row in run_sync(store.read(context.thread_id))):
        time.sleep(0.01)
    return "heard"

@tool(read_only=True)
def add(a: int, b: int) -> int:
    "Add."
    return a + b

def made(*script, more=(), **settings):
    tools = settings.pop("tools", [add, send, slow, ask_user, *more])
    return Agent("Be brief.", tools=tools, model=ScriptedModel(script), **settings)

def echo(request):
    return says(f"{len(request.messages)}: {request.messages[-1].text}")

agent = made(calls(("add", {"a": 1, "b": 2}), text="Let me add."), says("The sum is 3."))
echoes = made(echo, echo, echo)
escapes = made(calls(("add", {"a": "\\x1b[2J", "b": 1})), says("\\x1b]0;evil\\x07 [red]x[/red]"))
sends = made(calls(("send", {"to": "bob\\x1b[2J", "text": "line 1\\nline 2 \\u202e"})), echo)
twice = made(calls(("send", {"to": "a", "text": "1"}), ("send", {"to": "a", "text": "2"})), echo)
asks = made(calls(("ask_user", {"question": "Which colour?"})), echo)
limited = made(calls(("add", {"a": 1, "b": 2}), text="So far 3."), echo, limits=Limits(steps=1))
denied = made(ModelDenied("the key \\x1b[31m is wrong"))
unpriced = Agent(model=ScriptedModel([says("Priceless.")], price_usd=None))
planned = made(says("1. Add."), says("3."))
sleepy = made(calls(("send", {"to": "bob", "text": "hi"})), calls("slow"), says("After the stop."))
listens = made(calls("until_said"), echo, echo, tools=[until_said])
talks = made(calls(("send", {"to": "bob", "text": "hi"})), says("Still waiting."), echo)
patient = made(says("Still waiting."), echo)
naps = made(calls("slow"), echo)
builds = made(calls(("build", {"branch": "main"})), echo, more=[build])
ships = made(calls("ship"), echo, more=[ship])
goes_on = made(echo, more=[build, ship])
ships_on = made(echo, more=[ship])
number = 7

def last(request):
    return says("; ".join(m.text for m in request.messages if m.role == "tool"))

class Told(ScriptedModel):
    async def reply(self, request, emit):
        if any(m.role == "assistant" for m in request.messages):
            return last(request)
        return self._script[0]

mail = calls(("send", {"to": "bob", "text": "hi"}))
payer = Agent("Pay.", name="payer", tools=[send], model=Told([mail]))
adds = Told([calls(("add", {"a": 1, "b": 2}))])
clerk = Agent("File.", name="clerk\\x1b[2J", tools=[add], model=adds)
work = [payer.as_tool(), clerk.as_tool("clerk")]
both = calls(("payer", {"task": "pay"}), ("clerk", {"task": "x"}))
team = Agent("Lead.", name="lead", tools=work, model=Told([both]))
pair = Agent(name="pair", tools=[payer.as_tool(), payer.as_tool("other")],
             model=Told([calls(("payer", {"task": "pay"}), ("other", {"task": "pay"}))]))
deep = Agent(name="deep", tools=[team.as_tool()], model=Told([calls(("lead", {"task": "go"}))]))
"""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Typed(io.StringIO):
    def isatty(self) -> bool:
        return True


class Treadle:
    """`treadle("question", agent="name")`: the command line, with a store and a home of its own."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.agents = folder / "agents.py"
        self.agents.write_text(AGENTS, "utf8")
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name, value in {
            "TREADLE_DB": "logs.db",
            "XDG_STATE_HOME": "state",
            "TREADLE_CACHE": "cache",
            "TREADLE_TRUSTED_PROJECTS": "trusted.json",
            "HOME": "home",
        }.items():
            monkeypatch.setenv(name, str(folder / value))
        monkeypatch.setenv("NO_COLOR", "1")
        for name in ("TREADLE_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "_TREADLE_COMPLETE"):
            monkeypatch.delenv(name, raising=False)

    def __call__(
        self, *words: str, agent: str = "", stdin: bytes = b"", typed: str | None = None
    ) -> Ran:
        """`typed`: a person is at the terminal, types these lines, and then Ctrl-D."""
        given = io.TextIOWrapper(io.BytesIO(stdin), "utf8") if typed is None else Typed(typed)
        self._monkeypatch.setattr(sys, "stdin", given)
        self._monkeypatch.setattr(sys.stderr, "isatty", lambda: typed is not None)
        chosen = ("--agent", f"{self.agents}:{agent}") if agent else ()
        with pytest.raises(SystemExit) as left:
            main([*words, *chosen])
        for name in [
            name for name in sys.modules if name.startswith(f"treadle_{self.agents.stem}_")
        ]:
            del sys.modules[name]  # another command is another process
        out, err = self._capsys.readouterr()
        return Ran(int(left.value.code or 0), out, err)
