"""Which commands of `treadle` a text names, and what is wrong with them: no such command, or no such option."""

import re
import shlex
from collections.abc import Iterator, Sequence

import click

from treadle.cli.commands import commands

OPERATORS = ("&&", "||", "|", ";", ">", "2>&1", "#")


def find_faults(words: Sequence[str]) -> Iterator[str]:
    """What is wrong with a command line, from the word after `treadle` on."""
    group: click.Group = commands
    command: click.Command | None = None
    left = [word for word in words]
    while left and command is None:
        found = group.get_command(click.Context(group), left[0])
        if found is None:
            yield f"no command {left[0]!r}"
            return
        left.pop(0)
        if isinstance(found, click.Group):
            group = found
        else:
            command = found
    if command is None:
        return
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    for word in left:
        name = word.partition("=")[0]
        if word.startswith("-") and word != "-" and name not in known:
            yield f"{command.name} has no option {name}"


def find_command_lines(text: str) -> list[list[str]]:
    """The command lines that begin with `treadle` in code of a page, inline or in blocks."""
    lines = re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.S)
    code = [line for block in lines for line in block.replace("\\\n", " ").splitlines()]
    code += re.findall(r"`(treadle [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    found: list[list[str]] = []
    for line in code:
        words = shlex.split(line, comments=True)
        for at, word in enumerate(words):
            if word == "treadle" and (
                at == 0 or words[at - 1] in OPERATORS or "=" in words[at - 1]
            ):
                rest = words[at + 1 :]
                ends = [n for n, each in enumerate(rest) if each in OPERATORS]
                found.append(rest[: ends[0]] if ends else rest)
    return found
