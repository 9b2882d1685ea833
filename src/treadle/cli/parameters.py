"""How the options of a command are declared, and what click makes of them.

A command's settings are a frozen dataclass. Each of its fields is made by `make_option`,
`make_flag` or `make_argument`, and its type says what is read: a list may be repeated.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import click
from click.shell_completion import CompletionItem

S = TypeVar("S")
Complete = Callable[[str | None, str], list[str]]
"""From the database that the command line names, and what is typed, to the words that fit."""
Callback = Callable[[click.Context, click.Parameter, Any], Any]

MOST = 10**9
"""The largest whole number that an option takes: what is larger is mistyped, or fits nowhere."""
TEXTS = ("TEXT", "WORD", "WORDS", "A,B", "JSON", "QUESTION")
"""Metavars of what is said, which may be empty; other words name something."""
PLACES = (
    "PATH",
    "FILE",
    "FOLDER",
    "[FOLDER]",
    "SERVER",
    "MODULE:NAME",
    "MODULE:AGENT",
    "FROM",
    "TO",
)
"""Metavars of what may be a file's name, in whatever encoding that is."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a field says of its parameter, beside its type and its default."""

    metavar: str | None = None
    help: str = ""
    name: str = ""
    """What an option is called if not as its field."""
    short: str = ""
    """Its name of one letter, as `-t`."""
    panel: str = ""
    """The heading under which --help shows it."""
    min: float | None = None
    max: float | None = None
    complete: Complete | None = None
    callback: Callback | None = None
    """Called with the value before any command runs: for what answers and exits by itself."""
    alone: str | None = None
    """The value of an option that may also be given without one."""
    positional: bool = False


def make_option(metavar: str | None, help: str, default: Any = None, **settings: Any) -> Any:
    """The field of an option with a value. The settings are those of Declared."""
    return _make_field(default, Declared(metavar=metavar, help=help, **settings))


def make_flag(help: str, **settings: Any) -> Any:
    """The field of an option that is there or not. The settings are those of Declared."""
    return _make_field(False, Declared(help=help, **settings))


def make_argument(metavar: str | None, help: str, default: Any = MISSING, **settings: Any) -> Any:
    """The field of a word by its position. Without a default it must be given."""
    declared = Declared(metavar=metavar, help=help, positional=True, panel="Arguments", **settings)
    return _make_field(default, declared)


def _make_field(default: Any, declared: Declared) -> Any:
    return field(default=default, metadata={"declared": declared})


def name_option(field: "Field[Any]") -> str:
    """The shortest name of the option that this field is."""
    declared: Declared = field.metadata["declared"]
    return declared.short or _long_name(field, declared)


def _long_name(field: "Field[Any]", declared: Declared) -> str:
    return declared.name or f"--{field.name.replace('_', '-')}"


class Word(click.types.StringParamType):
    """A text, or the name of something: `--db "$DB"` names nothing where DB isn't set."""

    name = "text"

    def __init__(self, may_be_empty: bool, is_place: bool) -> None:
        self.may_be_empty = may_be_empty
        self.is_place = is_place

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "" and not self.may_be_empty:
            self.fail("it is empty; give it, or leave it out", param, ctx)
        if not self.is_place:
            try:
                value.encode()
            except UnicodeEncodeError:
                self.fail("it is not text in UTF-8", param, ctx)
        return value


class FilePath(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty; name a file", param, ctx)
        return super().convert(value, param, ctx)


class Whole(click.IntRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number > MOST:
            self.fail(f"it is larger than {MOST:,}", param, ctx)
        return number


class Option(click.Option):
    panel = ""


class Argument(click.Argument):
    panel = "Arguments"
    about = ""
    """Its help text. `help` would be shown a second time, but by new versions of click only."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        return self.make_metavar(ctx), self.about


class Command(click.Command):
    """A command whose help shows its parameters under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                panel = getattr(parameter, "panel", "") or "Options"
                panels.setdefault(panel, []).append(record)
        for panel, rows in panels.items():
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


class Group(click.Group):
    """A group of commands. Each is made when it is asked for, so that no other's code is imported.

    `places` has the function of each, as "module.name" in this package; it takes its settings, and
    their type says which options there are.
    """

    def __init__(self, name: str, places: Mapping[str, str], **settings: Any) -> None:
        super().__init__(name, context_settings=CONTEXT, **settings)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys([*self.places, *self.commands]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.places and cmd_name not in self.commands:
            module, _, name = self.places[cmd_name].partition(".")
            function = getattr(import_module(f".{module}", __package__), name)
            kind = get_type_hints(function)["settings"]
            self.add_command(make_command(cmd_name, kind, function))
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(200)) for name, each in found if each]
            )


def make_command(
    name: str, settings: type[S], function: Callable[[S], int], epilog: str = ""
) -> Command:
    """The command that calls the function with its settings: it gives the exit code.

    Its docstring is the help text.
    """
    parameters = []
    lists = set()
    for each in fields(settings):  # type: ignore[arg-type]
        kind = _kind_of(each.type)
        if get_origin(kind) is list:
            lists.add(each.name)
        parameters.append(_make_parameter(each, kind, each.metadata["declared"]))

    def run(**values: Any) -> int:
        for key in lists:
            values[key] = list(values[key]) or None
        return function(settings(**values))

    return Command(
        name,
        context_settings=CONTEXT,
        callback=run,
        params=parameters,
        help=inspect.getdoc(function),
        epilog=epilog,
    )


def _kind_of(hint: Any) -> Any:
    """The type without its None."""
    kinds = [each for each in get_args(hint) if each is not type(None)]
    return kinds[0] if type(None) in get_args(hint) else hint


def _make_parameter(field: "Field[Any]", kind: Any, declared: Declared) -> click.Parameter:
    settings: dict[str, Any] = {
        "type": _click_type(kind, declared, field.default == ""),
        "metavar": declared.metavar,
        "required": field.default is MISSING,
        "callback": declared.callback,
        "is_eager": declared.callback is not None,
    }
    if declared.complete:
        settings["shell_complete"] = _completer(declared.complete)
    is_list = get_origin(kind) is list
    if declared.positional:
        if is_list:
            settings["nargs"] = -1
        elif field.default is not MISSING:
            settings["default"] = field.default
        made = Argument([field.name], **settings)
        made.about = declared.help
        return made
    if field.default is not MISSING and not is_list:
        settings["default"] = field.default
        settings["show_default"] = field.default not in (None, False, "")
    if kind is bool:
        settings["is_flag"] = True
    if declared.alone is not None:
        settings |= {"is_flag": False, "flag_value": declared.alone}
    names = [_long_name(field, declared), declared.short, field.name]
    found = Option([*filter(None, names)], multiple=is_list, help=declared.help, **settings)
    found.panel = declared.panel
    return found


def _click_type(kind: Any, declared: Declared, may_be_empty: bool) -> Any:
    if get_origin(kind) is list:
        kind = get_args(kind)[0]
    if kind is Path:
        return FilePath(path_type=Path)
    if kind is str:
        says = declared.metavar in TEXTS or declared.alone is not None
        return Word(says or may_be_empty, declared.metavar in PLACES)
    if declared.min is None and declared.max is None:
        return kind
    make: Any = Whole if kind is int else click.FloatRange
    return make(declared.min, declared.max)


def _completer(
    complete: Complete,
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def offer(
        context: click.Context, parameter: click.Parameter, beginning: str
    ) -> list[CompletionItem]:
        found = complete(context.params.get("db"), beginning)
        return [CompletionItem(word) for word in found]

    return offer
