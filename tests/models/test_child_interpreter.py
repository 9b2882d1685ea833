"""No code of the working directory runs, whatever the files there are called."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from treadle.core.errors import UsageError
from treadle.models.child_interpreter import start_interpreter
from treadle.models.local import child as local_child
from treadle.models.local import server as local_server

COMMAND = Path(sysconfig.get_path("scripts"), "treadle")
MODULES = {
    *sys.stdlib_module_names,
    "msgspec",
    "openai",
    "pydantic",
    "click",
    "httpx",
    "xllamacpp",
}
MODULES |= {
    "sitecustomize",
    "usercustomize",
    "pint",
    "genai_prices",
    "platformdirs",
    "prompt_toolkit",
    "docstring_parser",
}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of modules, each of which leaves its name in `ran` when it is imported."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write('{name} ')")
    return folder


def ran(folder: Path) -> str:
    path = folder.parent / "ran"
    return path.read_text() if path.exists() else ""


@pytest.mark.slow
@pytest.mark.parametrize("words", [["tools"], ["threads"]])
def test_the_command_runs_nothing_of_the_working_directory(hostile, words):
    done = subprocess.run(
        [COMMAND, *words], cwd=hostile, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran(hostile), done.returncode) == ("", 0), done.stderr


@pytest.mark.slow
def test_as_a_module_it_runs_only_what_python_itself_takes_from_there(hostile):
    first = [
        sys.executable,
        "-c",
        "import runpy, sys; print(*sys.modules)",
    ]  # before any code of ours
    for name in subprocess.run(first, capture_output=True, text=True, check=True).stdout.split():
        (hostile / f"{name}.py").unlink(missing_ok=True)
    words = [sys.executable, "-m", "treadle", "tools"]
    done = subprocess.run(
        words, cwd=hostile, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran(hostile), done.returncode) == ("", 0), done.stderr


@pytest.mark.slow
def test_a_program_of_somebody_else_keeps_its_path(tmp_path):
    program = tmp_path / "program"
    program.mkdir()
    (program / "__init__.py").write_text("import treadle")
    (program / "__main__.py").write_text("import beside; print(beside.said)")
    (tmp_path / "beside.py").write_text("said = 'found'")
    words = [sys.executable, "-m", "program", "-m", "x"]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "found\n"


def test_a_child_interpreter_sees_neither_the_working_directory_nor_any_key(
    hostile, tmp_path, monkeypatch
):
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PYTHONPATH", str(hostile))
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, sys; print(json.dumps([os.getcwd(), dict(os.environ), sys.path]))"
    )
    with start_interpreter(script, subprocess.DEVNULL) as child:
        assert child.stdout
        folder, environment, path = json.loads(child.stdout.read())
    assert ran(hostile) == ""
    assert folder == Path(sys.executable).anchor
    assert environment.keys().isdisjoint({"OPENAI_API_KEY", "PYTHONPATH"})
    assert environment["PATH"] == os.environ["PATH"]
    assert str(hostile) not in path
    assert str(tmp_path) not in path


def test_the_embedded_server_s_child_runs_nothing_of_the_working_directory(hostile, monkeypatch):
    monkeypatch.chdir(hostile)
    child = start_interpreter(Path(local_child.__file__), subprocess.PIPE)
    _, errors = child.communicate(b'{"packages": "", "no": "weights"}\n', timeout=60)
    assert ran(hostile) == ""
    assert b"Error: " in errors  # no weights; or no llama.cpp, where that isn't installed


def test_llama_cpp_is_not_looked_for_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "xllamacpp").mkdir()
    (tmp_path / "xllamacpp" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path)])
    with pytest.raises(UsageError, match="needs llama"):
        local_server.ensure_server(tmp_path / "w.gguf", 512)
