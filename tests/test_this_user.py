"""A process whose user has neither a name nor a home directory, as in many containers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from treadle import SQLiteStore, UsageError, this_user
from treadle.notes.note_store import NoteStore

WITHOUT_USERS = """
import sys
sys.modules["pwd"] = None  # nothing knows who this user is
sys.argv[:1] = ["treadle"]
from treadle.cli.main import main
main()
"""
UNKNOWN = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "TREADLE_DB", "TREADLE_CACHE")


def treadle(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    known = {name: value for name, value in os.environ.items() if name not in UNKNOWN}
    known = {name: value for name, value in known.items() if not name.startswith("XDG_")}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_USERS, *words],
        env=known | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


AGENTS = """
from treadle import Agent, ScriptedModel
from treadle.models.scripted import says
shown = Agent(model=ScriptedModel([says("the answer")]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "setting"),
    [
        (["threads"], "TREADLE_DB"),
        (["trust"], "TREADLE_TRUSTED_PROJECTS"),
        (["models", "pull"], "TREADLE_CACHE"),
        (["--install-completion", "bash"], "HOME"),
    ],
)
def test_what_needs_a_home_directory_says_what_stands_for_it(tmp_path, words, setting):
    done = treadle(tmp_path, *words)
    assert done.returncode == 2
    assert "the user of this process has no home directory" in done.stderr
    assert setting in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_with_a_database_nothing_else_needs_a_home_directory(tmp_path):
    (tmp_path / "agents.py").write_text(AGENTS)
    named = {"TREADLE_DB": str(tmp_path / "t.db")}
    done = treadle(tmp_path, "go", "--thread", "t", "--agent", "agents.py:shown", **named)
    assert (done.stdout, done.returncode) == ("the answer\n", 0), done.stderr
    assert treadle(tmp_path, "rate", "t", "--good", **named).returncode == 0
    shown = treadle(tmp_path, "show", "t", "--json", **named)
    assert f'"by":"user {os.getuid()}"' in shown.stdout
    assert "embedded; the user of this process has no home" in treadle(tmp_path, "models").stdout


@pytest.mark.parametrize("make", [SQLiteStore, NoteStore])
def test_a_path_in_the_home_of_nobody_is_refused(make):
    with pytest.raises(UsageError, match=r"'~nobody-here/x\.db': ~nobody-here names no user"):
        make("~nobody-here/x.db")


def test_only_one_file_asks_who_and_where_the_user_is():
    """What it asks fails in its own words where nobody knows."""
    asks = re.compile(r"\bexpanduser\(|\bplatformdirs\b|\bPath\.home\(|\bgetpass\b")
    source = Path(this_user.__file__).parent
    found = {path.name for path in source.rglob("*.py") if asks.search(path.read_text("utf8"))}
    assert found == {"this_user.py"}
