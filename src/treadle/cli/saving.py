"""`treadle save-test`: a thread as a regression test."""

import os
import re
from pathlib import Path

from ..core.errors import UsageError
from ..observe.visible import make_visible, visible_line
from ..testing.recording import Recording
from ..testing.saved_test import Place, render_test
from .agents import choose_store, load_agent
from .atomic_file import write_atomically
from .database import export_file
from .terminal import Screen, print_line
from .thread_options import SaveTest
from .threads import read_thread


def save_test(settings: SaveTest) -> int:
    """Write a thread, and a test that runs it again offline with your agent. The file holds the whole conversation."""
    if not settings.agent:
        raise UsageError("a test needs the agent: --agent MODULE:NAME, or path/file.py:name")
    agent = load_agent(settings.agent)
    store = choose_store(settings, agent)
    records = read_thread(store, settings.thread)
    name = _name(records[0].thread_id)
    test = settings.output or Path("tests") / f"test_{name}.py"
    if test.suffix != ".py":
        raise UsageError(f"-o {test}: a test's name ends in .py, as tests/test_{name}.py does")
    recording = test.with_suffix(".jsonl")
    for file in (test, recording):
        if file.exists():
            raise UsageError(f"{file} is there already; name another with -o, or remove it")
    try:
        Recording(tuple(records)).replay(agent)
        parts = ""
    except AssertionError as error:
        parts = str(error)
    text = render_test(records, _place(settings.agent, test, recording.name), replays=not parts)
    try:
        test.parent.mkdir(parents=True, exist_ok=True)
        export_file(store, [records[0].thread_id], recording)
        with write_atomically(test) as out:
            out.write(text.encode())
    except OSError as error:
        raise UsageError(f"{test} can't be written: {error.strerror}") from None
    print_line(make_visible(str(test)))
    screen = Screen()
    if parts:
        screen.note(
            f"the agent of today replays it otherwise, so no test wants that; {visible_line(parts, 300)}",
            "yellow",
        )
    screen.note(
        f"the whole conversation is in {make_visible(str(recording))}; run: python -m pytest {make_visible(str(test))}"
    )
    return 0


def _name(thread_id: str) -> str:
    """A name for a function and a file that says which thread it was."""
    return re.sub(r"[^a-z0-9]+", "_", thread_id.lower()[:40]).strip("_") or "thread"


def _place(agent: str, test: Path, recording: str) -> Place:
    target, colon, name = agent.rpartition(":")
    if not colon or not name.isidentifier():
        target, name = agent, "agent"
    stem = _name(test.stem.removeprefix("test_"))
    if all(part.isidentifier() for part in target.split(".")) and not target.endswith(".py"):
        return Place(
            stem,
            recording,
            (f"from {target} import {name}" + (" as agent" if name != "agent" else ""),),
        )
    there = Path(os.path.relpath(Path(target).expanduser(), test.parent)).as_posix()
    load = f"agent = import_string({f'{there}:{name}'!r}, Agent, folder=Path(__file__).parent)"
    imports = (
        "from treadle import Agent",
        "from treadle.runtime.import_string import import_string",
    )
    return Place(stem, recording, imports, load, ("from pathlib import Path",))
