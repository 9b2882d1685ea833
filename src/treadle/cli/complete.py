"""Completes commands and threads for a shell, within 0.3 s: without all that commands import.

The first word and the names of threads are found here, and click only writes them as
the shell wants them. It does all else itself: options, and what stands behind them. A shell asks
for it by a script that is set up here, too: bash, zsh or fish.
"""

import os
import shlex
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from ..core.errors import StoreError, UsageError
from ..stores.postgres_url import is_postgres
from ..stores.record_table import list_names
from ..stores.sqlite_file import default_path
from ..this_user import expand_home
from .command_table import COMMANDS

VARIABLE = "_TREADLE_COMPLETE"
"""The environment variable by which a shell's script asks for completion, as `bash_complete`."""
MAX_NAMES = 100
"""How many threads are offered at most, the last written first."""
WAIT_S = 0.1
"""How long a busy database is waited for."""


def find_completions(args: Sequence[str], beginning: str) -> list[str] | None:
    """The words that may stand after these; None if only the whole command line can tell."""
    if beginning[:1] == "-":
        return None
    if not args:
        return [word for word in (*COMMANDS, "help", "version") if word.startswith(beginning)]
    if args == ["help"]:
        return [word for word in COMMANDS if word.startswith(beginning)]
    db, rest = _take_db(args)
    if rest[:1] and rest[-1] in ("-t", "--thread") and rest[0] not in COMMANDS:
        return thread_names(db, beginning)
    if not rest or any(word[:1] == "-" for word in rest):
        return None
    takes_thread = rest[0] in COMMANDS and len(rest) <= COMMANDS[rest[0]].threads
    if rest[:2] == ["db", "export"] or takes_thread:
        return thread_names(db, beginning)
    return None


def _take_db(args: Sequence[str]) -> tuple[str | None, list[str]]:
    """The database that the option --db names, and the other words."""
    rest = list(args)
    if "--db" not in rest[:-1]:
        return None, rest
    at = rest.index("--db")
    return rest[at + 1], rest[:at] + rest[at + 2 :]


def thread_names(db: str | None, beginning: str) -> list[str]:
    """The threads whose names begin so, the last written first, and children only of a named one.

    None of a database that can't be read now, and no name that a shell would have to quote.
    """
    place = db or os.environ.get("TREADLE_DB", "")
    try:
        if is_postgres(place):
            from ..stores.postgres import PostgresStore

            return _choose_names(PostgresStore(place).list_names(beginning))
        path = expand_home(db) if db else default_path()
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as opened:
            found = list_names(opened, beginning)
    except (sqlite3.Error, OSError, ValueError, StoreError, UsageError):
        return []
    return _choose_names(found)


def _choose_names(found: Sequence[str]) -> list[str]:
    known = set(found)
    return [name for name in found if _is_plain(name) and not _is_child(name, known)][:MAX_NAMES]


def _is_plain(name: str) -> bool:
    return shlex.quote(name) == name and name[:1] != "-"


def _is_child(name: str, known: Collection[str]) -> bool:
    """Whether a thread of which this name is an extension is among these too."""
    parent = name
    while parent:
        parent = parent.rpartition(".")[0]
        if parent in known:
            return True
    return False


def words_to_complete() -> tuple[list[str], str] | None:
    """The words before the one to be completed, and that one's beginning; None if none is asked."""
    shell = _asking_shell()
    if shell is None:
        return None
    try:
        return shell.get_completion_args()
    except (KeyError, ValueError):  # no shell's script asks so
        return None


def print_completions(found: Sequence[str]) -> None:
    """Write these words as the shell wants them, and exit."""
    shell = _asking_shell()
    assert shell
    for word in found:
        click.echo(shell.format_completion(CompletionItem(word)))
    raise SystemExit(0)


def _asking_shell() -> ShellComplete | None:
    name, _, instruction = os.environ.get(VARIABLE, "").partition("_")
    made = get_completion_class(name)
    if made is None or instruction != "complete":
        return None
    return made(click.Command("treadle"), {}, "treadle", VARIABLE)


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
    text = path.read_bytes() if path.exists() else b""  # in whatever encoding the user has it
    added = os.fsencode(line)
    if added not in text.splitlines():
        gap = b"" if not text or text.endswith(b"\n") else b"\n"
        with path.open("ab") as file:
            file.write(gap + added + b"\n")
