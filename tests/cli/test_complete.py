"""Tab completes commands and threads; what is offered needs no quoting, and is found without slow imports."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commandline import Treadle
from treadle.cli.complete import find_completions, thread_names
from treadle.cli.main import COMMANDS

SOURCE = str(Path(__file__).parents[2] / "src")


def completed(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch, line: str, shell: str = "bash"
) -> str:
    """What the shell is offered for this line."""
    words = line.split()
    monkeypatch.setenv("_TREADLE_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    at = len(words) - (not line.endswith(" "))
    current = words[at:][:1]
    monkeypatch.setenv("COMP_CWORD", "".join(current) if shell == "fish" else str(at))
    out = treadle().out
    for name in ("_TREADLE_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name)
    return out


@pytest.fixture
def filled(treadle: Treadle) -> Treadle:
    """Three threads, the last of them called mine-2; and one with a child."""
    for name in ("mine", "other", "two words", "mine-2"):
        treadle("hi", "-t", name, agent="echoes")
    return treadle


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("treadle ", [*COMMANDS, "help", "version"]),
        (
            "treadle s",
            [
                *("show", "save-test", "summary", "stats", "settle", "steer", "submit"),
                *("save-cases", "serve"),
            ],
        ),
        ("treadle he", ["help"]),
        ("treadle help ex", ["explain", "export-traces"]),
        ("treadle show ", ["mine-2", "other", "mine"]),
        ("treadle show m", ["mine-2", "mine"]),
        ("treadle resume o", ["other"]),
        ("treadle diff mine ", ["mine-2", "other", "mine"]),
        ("treadle costs m", ["mine-2", "mine"]),
        ("treadle db export mine m", ["mine-2", "mine"]),
        ("treadle delete mine o", ["other"]),
        ("treadle -t o", ["other"]),
        ("treadle -q --thread o", ["other"]),
        ("treadle show --full o", ["other"]),
        ("treadle summary --json o", ["other"]),
        ("treadle show --db nowhere.db m", []),
        ("treadle show --fu", ["--full"]),
        ("treadle db ex", ["export"]),
        ("treadle show mine m", []),
        ("treadle threads m", []),
    ],
)
def test_what_may_come_next_is_offered(
    filled: Treadle, monkeypatch: pytest.MonkeyPatch, line: str, offered: list[str]
) -> None:
    words = completed(filled, monkeypatch, line).split()
    assert words == [f"plain,{word}" for word in offered]


def test_every_shell_gets_it_in_its_form(filled: Treadle, monkeypatch: pytest.MonkeyPatch) -> None:
    zsh = completed(filled, monkeypatch, "treadle show m", "zsh")
    assert zsh == "plain\nmine-2\n_\nplain\nmine\n_\n"
    fish = completed(filled, monkeypatch, "treadle show m", "fish")
    assert re.findall(r"mine[-\d]*", fish) == ["mine-2", "mine"]


def test_children_are_offered_only_below_their_parent(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch
) -> None:
    treadle("go", "-t", "top", agent="team")
    assert completed(treadle, monkeypatch, "treadle show t") == "plain,top\n"
    below = completed(treadle, monkeypatch, "treadle show top.").split()
    assert below
    assert all(name.startswith("plain,top.c") for name in below)


def test_a_missing_or_foreign_database_offers_nothing_and_is_left_alone(tmp_path: Path) -> None:
    missing = tmp_path / "none.db"
    assert thread_names(str(missing), "") == []
    assert not missing.exists()
    foreign = tmp_path / "foreign.db"
    foreign.write_text("no database")
    assert thread_names(str(foreign), "") == []
    assert foreign.read_text() == "no database"


def test_what_only_the_whole_command_line_can_tell_is_left_to_click() -> None:
    assert find_completions(["show"], "--f") is None
    assert find_completions(["what", "is"], "a") is None


@pytest.mark.slow
@pytest.mark.parametrize("line", ["treadle ", "treadle show ", "treadle -t "])
def test_commands_and_threads_are_found_without_slow_imports(filled: Treadle, line: str) -> None:
    code = (
        "import atexit, sys; from treadle.cli.main import main\n"
        "slow = ('pydantic', 'treadle.cli.commands', 'aiohttp')\n"
        "atexit.register(lambda: print([name for name in slow if name in sys.modules]))\n"
        "main([])"
    )
    environment = {"_TREADLE_COMPLETE": "bash_complete", "COMP_WORDS": line, "PYTHONPATH": SOURCE}
    environment["COMP_CWORD"] = str(len(line.split()))
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True
    )
    *offered, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_s_script_is_shown(treadle: Treadle, shell: str) -> None:
    assert f"_TREADLE_COMPLETE={shell}_complete" in treadle("--show-completion", shell).out


@pytest.mark.parametrize(
    ("shell", "reads"),
    [
        ("bash", ".bashrc"),
        ("zsh", ".zshrc"),
        ("fish", ".config/fish/completions/treadle.fish"),
    ],
)
def test_the_script_is_installed_once_beside_what_the_user_has(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shell: str, reads: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    if shell != "fish":
        (tmp_path / reads).write_text("alias t=treadle")
    ran = treadle("--install-completion")
    assert (ran.code, ran.out.partition(" ")[0]) == (0, shell)
    once = (tmp_path / reads).read_text()
    treadle("--install-completion", shell)
    assert (tmp_path / reads).read_text() == once
    if shell != "fish":
        assert once.startswith("alias t=treadle\n")
        assert once.count("\n") == 2


@pytest.mark.slow
def test_a_shell_s_file_in_latin_1_stays_as_it_is(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".bashrc").write_bytes(b"# gr\xfcn")
    assert treadle("--install-completion", "bash").code == 0
    assert (tmp_path / ".bashrc").read_bytes().startswith(b"# gr\xfcn\nsource '")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_itself_completes_by_the_installed_script(
    filled: Treadle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    filled("--install-completion", "bash")
    command = tmp_path / "treadle"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m treadle "$@"\n')
    command.chmod(0o700)
    script = (
        "source ~/.bashrc; COMP_WORDS=(treadle show m); COMP_CWORD=2;"
        f" _treadle_completion {command}; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=os.environ | {"PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "mine-2 mine\n"


def test_a_shell_that_nothing_is_known_of_is_refused(treadle: Treadle) -> None:
    ran = treadle("--install-completion", "tcsh")
    assert ran.code == 2
    assert "'tcsh'; there are: bash, zsh, fish" in ran.err
