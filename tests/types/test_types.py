"""What type checkers say of programs with Treadle: the right ones pass, and each mistake is found.

A line of wrong/ has a mark if and only if something is found there. One process of each checker
looks at all files; both read Treadle from where Python imports it.
"""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted([*HERE.glob("right/*.py"), *HERE.glob("wrong/*.py")])
MARK = "  # error"


def ask(checker, *options):
    if find_spec(checker) is None:
        pytest.skip(f"{checker} isn't installed; it is in the dependency group `lint`")
    command = [sys.executable, "-m", checker, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, timeout=120)
    return done.stdout


def ask_mypy(cache):
    options = ("--strict", "--config-file=", f"--cache-dir={cache}", "--python-version=3.11")
    said = ask("mypy", *options, "right", "wrong")
    for path, line, message in re.findall(r"^(.+?):(\d+): error: (.+)$", said, re.MULTILINE):
        yield HERE / path, int(line), message


def ask_pyright():
    said = json.loads(ask("pyright", "--project", "pyrightconfig.json", "--outputjson"))
    for each in said["generalDiagnostics"]:
        yield Path(each["file"]), each["range"]["start"]["line"] + 1, each["message"]


def compare(found):
    """Each line where what is found isn't what is marked."""
    at = {}
    for path, line, message in found:
        at.setdefault((path, line), message)
    for path in FILES:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            message = at.pop((path, number), "")
            if bool(message) != (path.parent.name == "wrong" and line.endswith(MARK)):
                yield f"{path.parent.name}/{path.name}:{number}: {message or 'not found'}"
    for (path, line), message in at.items():
        yield f"{path}:{line}: {message}"


def test_mypy_passes_right_programs_and_finds_mistakes(tmp_path):
    assert list(compare(ask_mypy(tmp_path))) == []


def test_pyright_passes_right_programs_and_finds_mistakes():
    assert list(compare(ask_pyright())) == []


def test_there_are_fifteen_programs_of_each_kind_and_the_wrong_ones_have_marks():
    right = [path for path in FILES if path.parent.name == "right"]
    marked = [path for path in FILES if MARK in path.read_text("utf-8")]
    assert len(right) >= 15
    assert len(marked) >= 15
    assert sorted(right + marked) == FILES
