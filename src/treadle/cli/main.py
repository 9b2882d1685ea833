"""The entry point of `treadle`: runs a command or asks a question. Only this module exits.

If the first word is the name of a command, it is that command; anything else is a question, and
`treadle -- tools` asks the question "tools". Options come after a command: a command's name as the
first word after options is refused, and so are one or two words that look like a mistyped command,
because asking it would cost time and money by mistake. Slow modules are imported when needed.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

import click

from ..core.errors import TreadleError
from ..core.visible import make_visible, visible_command
from .command_table import COMMANDS
from .complete import VARIABLE, find_completions, print_completions, words_to_complete
from .near_miss import find_near_miss
from .options import AskOptions
from .parameters import make_command
from .process import end_process, keep_output, open_closed_streams

FAILED = 1
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
"""The exit code if nobody reads the output, as in a shell's pipe."""
_EPILOG = """
Commands, each with its own --help:

{commands}

More: help COMMAND · version

A question that begins with a command's name: treadle -- tools.

Exit codes: 0 answered · 1 failed · 2 usage · 3 a limit · 4 waits for a person ·
130 interrupted · 143 stopped by SIGTERM.
"""


def main(words: Sequence[str] | None = None) -> None:
    """Run these words, or, as the process's own command, those of its command line.

    Exits; the codes are in docs/cli.md.
    """
    if words is not None:
        _run_command(words)
        return
    open_closed_streams()
    keep_output()
    code = 1
    try:
        _run_command(sys.argv[1:])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        raise
    except KeyboardInterrupt:  # while modules were imported
        code = INTERRUPTED
        raise SystemExit(code) from None
    finally:
        end_process(code)


def _run_command(words: Sequence[str]) -> None:
    asked = words_to_complete()
    if asked:
        found = find_completions(*asked)
        if found:
            print_completions(found)
        words = [*asked[0], asked[1]]
    first = list(words[:1])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A character that the encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # nor must one that a person types
    if first == ["version"] and len(words) == 1:
        _exit_with(ask_command, ["--version"])
    if first == ["help"] and _asks_for_help(words[1:]):
        words = [*words[1:], "--help"]
        first = words[:1]
    if not (first and first[0] in COMMANDS):
        _refuse_late_command(words)
        _exit_with(ask_command, words)
    from .commands import commands

    try:
        _exit_with(commands, words)
    except SystemExit as exit_:
        if exit_.code == USAGE and _may_be_question(words):
            print(f"was it a question? treadle -- {make_visible(' '.join(words))}", file=sys.stderr)
        raise


def _exit_with(command: click.Command, words: Sequence[str]) -> NoReturn:
    """Run the command with these words, and exit with the code that its function gives.

    Whatever comes of it is said in a line; only a bug has a traceback.
    """
    if VARIABLE in os.environ:
        command.main(words, prog_name="treadle")  # completes them, and exits
    try:
        with command.make_context("treadle", [*words]) as context:
            code = command.invoke(context) or 0
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        code = left.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except TreadleError as error:
        from .ending import report_error

        code = report_error(error)
    except (KeyboardInterrupt, click.Abort):
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the terminal has shown ^C
        code = INTERRUPTED
    except BrokenPipeError:
        # The buffered rest must go somewhere, or Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    except OSError as error:
        code = _report_failure(error)
    raise SystemExit(code)


def _report_failure(error: OSError) -> int:
    """Say which file the system refuses what, and why."""
    said = str(error.strerror or error)
    if error.filename is not None:
        said = f"{os.fsdecode(error.filename)}: {said}"
    elif isinstance(error, FileNotFoundError):  # so os.getcwd says it
        said = "the folder that you are in has been deleted; go to another one"
    print(f"error: {make_visible(said)}", file=sys.stderr)
    return FAILED


def _may_be_question(words: Sequence[str]) -> bool:
    """Whether there are more words than the command takes, and no options."""
    has_options = any(word[:1] == "-" for word in words)
    return len(words) > COMMANDS[words[0]].words and not has_options


def _asks_for_help(words: Sequence[str]) -> bool:
    """Whether these words after `help` are nothing, or a command and perhaps a part of it."""
    return not words or (words[0] in COMMANDS and len(words) <= 2)


def _refuse_late_command(words: Sequence[str]) -> None:
    """Print a hint and exit if a command's name comes after options, or is mistyped."""
    at = _find_first_word(words)
    if at is None or VARIABLE in os.environ:
        return
    options = words[:at]
    rest = words[at:]
    if rest[0] not in COMMANDS:
        if hint := find_near_miss(rest, COMMANDS, options):
            print(f"error: {hint}", file=sys.stderr)
            raise SystemExit(USAGE)
        return
    command = visible_command(["treadle", *rest, *options])
    question = visible_command(["treadle", *options, "--", *rest])
    print(
        f"error: put the options after the command: {command}; for a question: {question}",
        file=sys.stderr,
    )
    raise SystemExit(USAGE)


def _find_first_word(words: Sequence[str]) -> int | None:
    """The index of the first word after options and their values; None after two dashes."""
    if not words:
        return None
    if words[0][:1] != "-":
        return 0
    with_value: set[str] = set()
    for parameter in ask_command.params:
        is_option = parameter.param_type_name == "option"
        if is_option and not getattr(parameter, "is_flag", False):
            with_value.update(parameter.opts)
    at = 0
    while at < len(words):
        word = words[at]
        if word[:1] != "-" or word in ("-", "--", "-h", "--help", "--version"):
            break
        at += 1
        if _takes_next(word, with_value):
            at += 1
    if at < len(words) and words[at][:1] != "-":
        return at
    return None


def _takes_next(word: str, with_value: set[str]) -> bool:
    """Whether the next word is this option's value.

    Yes for `-qt`, no for `-tname` and `--thread=name`.
    """
    if word.startswith("--"):
        return word in with_value
    takes = [index for index, letter in enumerate(word) if f"-{letter}" in with_value]
    return bool(takes) and takes[0] == len(word) - 1


def ask(settings: AskOptions) -> int:
    """Ask an agent. The answer goes to standard output, everything else to standard error."""
    from ..core.errors import UsageError
    from ..runtime.message_key import thread_of_key
    from ..runtime.thread_name import name_or_new
    from .agents import make_agent
    from .agents_md import announce_instructions
    from .session import Session, find_last_thread
    from .stdin import read_question
    from .terminal import Screen, is_interactive

    words = settings.question or []
    screen = Screen()
    if settings.go_on and settings.thread is not None:
        raise UsageError("-c goes on with the last thread, and -t names one: choose one of them")
    agent = make_agent(settings, is_interactive())
    thread = name_or_new(settings.thread, agent.world)
    if settings.key and settings.thread is None:
        thread = thread_of_key(agent.name, settings.key)
    if settings.go_on:
        thread = find_last_thread(agent)
    session = Session(agent, thread, screen, settings)
    if not words and settings.key is None and is_interactive() and sys.stdout.isatty():
        from .chat import chat

        announce_instructions(agent, settings, screen)
        return chat(session)
    question = read_question(words)
    if not question:
        raise UsageError('there is nothing to ask; say treadle "question", or treadle -h')
    announce_instructions(agent, settings, screen)
    return session.ask(question, settings.key)


def _list_commands() -> str:
    named: dict[str, list[str]] = {}
    for name, entry in COMMANDS.items():
        named.setdefault(entry.panel, []).append(name)
    return "\n\n".join(f"{panel}: {' · '.join(names)}" for panel, names in named.items())


ask_command = make_command(
    "treadle", AskOptions, ask, epilog=_EPILOG.format(commands=_list_commands())
)
