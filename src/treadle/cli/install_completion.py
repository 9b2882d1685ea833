"""Sets up a shell so that Tab completes commands and threads: bash, zsh or fish."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from ..this_user import expand_home
from .complete import VARIABLE

_SHELLS = ("bash", "zsh", "fish")


def show_script(context: click.Context, parameter: click.Parameter, shell: str | None) -> None:
    """Write the script for this shell, or the user's own, and exit."""
    if shell is not None:
        click.echo(_make_script(_find_shell(shell)))
        raise SystemExit(0)


def install_for_shell(
    context: click.Context, parameter: click.Parameter, shell: str | None
) -> None:
    """Put the script where the shell reads it, and exit. Doing it twice changes nothing more."""
    if shell is None:
        return
    shell = _find_shell(shell)
    home = expand_home("~")
    places = {
        "bash": home / ".bash_completions" / "treadle.sh",
        "zsh": home / ".zfunc" / "_treadle",
        "fish": home / ".config" / "fish" / "completions" / "treadle.fish",
    }
    path = places[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_make_script(shell), "utf8")
    if shell == "bash":
        _add_lines(home / ".bashrc", f"source '{path}'")
    if shell == "zsh":
        _add_lines(home / ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit")
    click.echo(f"{shell} completes treadle from its next start on, by {path}")
    raise SystemExit(0)


def _find_shell(named: str) -> str:
    shell = named or Path(os.environ.get("SHELL", "")).name
    if shell not in _SHELLS:
        raise click.UsageError(
            f"no completion for the shell {shell!r}; there are: {', '.join(_SHELLS)}"
        )
    return shell


def _make_script(shell: str) -> str:
    made = get_completion_class(shell)
    assert made
    return made(click.Command("treadle"), {}, "treadle", VARIABLE).source()


def _add_lines(path: Path, line: str) -> None:
    """Append this line to a file of the user's, unless it stands there already."""
    text = path.read_bytes() if path.exists() else b""  # in whatever encoding the user has it
    added = os.fsencode(line)
    if added not in text.splitlines():
        gap = b"" if not text or text.endswith(b"\n") else b"\n"
        with path.open("ab") as file:
            file.write(gap + added + b"\n")
