"""`treadle save-test`: makes a regression test of a thread."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.codec import encode_record
from ..core.errors import UsageError
from ..core.visible import make_visible, visible_line
from ..testing.recording import Recording
from ..testing.render_test import SavedTest, render_test
from ..this_user import expand_home
from .agents import choose_store, load_agent
from .atomic_file import write_atomically
from .options import StoreOptions, name_thread
from .parameters import make_option
from .terminal import Screen, print_line
from .threads import read_thread


@dataclass(frozen=True, kw_only=True)
class SaveTestOptions(StoreOptions):
    thread: str = name_thread()
    agent: str | None = make_option(
        "MODULE:NAME", "Your Agent, with the thread's store; or path/file.py:name."
    )
    output: Path | None = make_option("FILE", "Else tests/test_THREAD.py.", short="-o")


def save_test(settings: SaveTestOptions) -> int:
    """Make a test of a thread, run offline with your agent. Its file has the whole conversation."""
    if not settings.agent:
        raise UsageError("a test needs the agent: --agent MODULE:NAME, or path/file.py:name")
    agent = load_agent(settings.agent)
    store = choose_store(settings, agent)
    records = read_thread(store, settings.thread)
    name = _make_name(records[0].thread_id)
    test = settings.output or Path("tests") / f"test_{name}.py"
    if test.suffix != ".py":
        raise UsageError(f"-o {test}: a test's name ends in .py, as tests/test_{name}.py does")
    recording = test.with_suffix(".jsonl")
    for file in (test, recording):
        if file.exists():
            raise UsageError(f"{file} is there already; name another with -o, or remove it")
    difference = ""
    try:
        Recording(tuple(records)).replay(agent)
    except AssertionError as error:
        difference = str(error)
    saved = _describe_test(settings.agent, test, recording.name)
    text = render_test(records, saved, replays=not difference)
    try:
        test.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(recording) as out:
            out.writelines(encode_record(record) + b"\n" for record in records)
        with write_atomically(test) as out:
            out.write(text.encode())
    except OSError as error:
        raise UsageError(f"{test} can't be written: {error.strerror}") from None
    print_line(make_visible(str(test)))
    screen = Screen()
    if difference:
        screen.note(
            "the agent of today replays it otherwise, so no test wants that;"
            f" {visible_line(difference, 300)}",
            "yellow",
        )
    command = f"python -m pytest {make_visible(str(test))}"
    screen.note(f"the whole conversation is in {make_visible(str(recording))}; run: {command}")
    return 0


def _make_name(thread_id: str) -> str:
    """A name for a function and a file, made of the thread's."""
    return re.sub(r"[^a-z0-9]+", "_", thread_id.lower()[:40]).strip("_") or "thread"


def _describe_test(agent: str, test: Path, recording: str) -> SavedTest:
    """The names and imports of the test, for an agent at `module:name` or `path/file.py:name`."""
    target, colon, name = agent.rpartition(":")
    if not colon or not name.isidentifier():
        target = agent
        name = "agent"
    stem = _make_name(test.stem.removeprefix("test_"))
    is_module = all(part.isidentifier() for part in target.split("."))
    if is_module and not target.endswith(".py"):
        line = f"from {target} import {name}"
        if name != "agent":
            line += " as agent"
        return SavedTest(stem, recording, imports=(line,))
    path = Path(os.path.relpath(expand_home(target), test.parent)).as_posix()
    place = f"{path}:{name}"
    return SavedTest(
        stem,
        recording,
        imports=(
            "from treadle import Agent",
            "from treadle.testing import import_string",
        ),
        load=f"agent = import_string({place!r}, Agent, folder=Path(__file__).parent)",
        standard=("from pathlib import Path",),
    )
