"""Tools as data. Runs nothing; the loop does. function_tool.py makes them from functions.

1. A tool's check of arguments is made by its JSON Schema, unless it has one of its own.
2. A tool has its effect at most once, unless it says `idempotent`. So only an idempotent one may
   have `retries`; any tool may raise ToolRetry, which says that nothing has happened yet.
3. A tool without a function is a question to the person (see ask.py).
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, cast, get_args

from .arguments import parse_json_object
from .check_settings import check_choice, check_flags, check_kind, check_number, check_whole_number
from .checks import AfterRule
from .context import Arguments, Check
from .errors import ToolError, UsageError
from .exact_numbers import refuse_rounded
from .model import ToolSchema
from .name_kind import is_generator, name_kind
from .pending import refuse_poll
from .raised import describe_raised
from .redact import redact
from .schema_shape import as_object
from .tool_kind import HandOver, OfChild, OfFunction, Question, ToolKind
from .type_variables import Deps, P, R
from .values import Label
from .verify import VerifySignature, parameter_names, read_verify, refuse_verify

NeedsApproval = bool | Callable[[Arguments], bool]


@dataclass(frozen=True)
class Tool(Generic[P, R, Deps]):
    """A tool, as data. Made by `@tool`, or directly where the schema comes from elsewhere.

    `P` and `R` are the parameters and the result of its function, `Deps` the deps that it needs.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""
    function: Callable[P, R] = cast(Any, None)
    """Gets the checked arguments as keywords. None: a person answers, or another agent goes on; a
    tool made by `@tool` always has one, so its type doesn't say None.

    A sync function runs in an operating system thread.
    """
    check: Check | None = field(default=None, repr=False)
    """Makes the arguments from the model's JSON object, or raises ToolError in words for the model.

    None: by `parameters`, with mistyped values coerced as `@tool` does.
    """
    context: str = ""
    """The name of the parameter that gets the Context."""
    needs_deps: str = ""
    """The type of `Context.deps` without which it can't run, as a message names it."""
    retry_on: tuple[type[BaseException], ...] = ()
    """Errors after which it is tried again, too, such as `(httpx.TransportError,)`."""
    idempotent: bool = False
    """Running it twice is as good as once: it may be retried, and run again after a crash."""
    read_only: bool = False
    """It changes nothing. Approval rules may go by this; it implies idempotent."""
    parallel: bool = False
    """Its calls may run at the same time as others of the same reply, and in any order.

    Those of idempotent tools always may. All others run one after another, as asked for.
    """
    background: bool = False
    """The model goes on while a call runs, and is told its result once that comes.

    Calls run beside all others. The turn doesn't end before they have.
    """
    needs_approval: NeedsApproval = False
    timeout_s: float | None = 60.0
    retries: int = 0
    """How often it is tried again after a ConnectionError, a TimeoutError or one of `retry_on`."""
    poll: Callable[..., Any] | None = None
    """Says what became of work elsewhere: `poll(handle, context)`, sync or async. It returns the
    result, raises ToolError if the work has failed, or Pending if it still goes on."""
    max_chars: int = 20_000
    """A longer result is cut, with a notice that says so."""
    verify: Callable[..., Any] | None = field(default=None, repr=False)
    """Says of a call of unknown outcome what became of it: see verify.py. It gets the call's
    arguments, those that it has parameters for, and a Context; it returns Ran, DidNotRun or
    CannotTell. Sync or async."""
    settle_s: float = 60.0
    """How long a request of a dead process may still be on its way: so long after it was seen to be
    dead, `verify` is asked again, and the call runs again if it still hasn't had its effect."""
    honours_key: bool = False
    """The service does nothing twice under one idempotency key. So a call that `verify` says didn't
    run may run again at once."""
    labels: tuple[Label, ...] = ()
    """What it may do. They go into the log; the model isn't told."""
    special: OfChild | HandOver | None = None
    """What a call is where it isn't only a function's: see tool_kind.py."""
    after: tuple[AfterRule, ...] = ()
    """Its agent's rules for results: they judge what it gives before the model sees it."""
    on_demand: bool = False
    """No prompt lists it: a search finds it, and `call_tool` calls it (tools/on_demand.py)."""
    prompt: str = ""
    """What the system prompt says of it, besides its description: an index, say."""
    foreign: bool = False
    """Others have written its name and description, as those of a server: untrusted text."""
    given_as: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By the function's own names, those by which its arguments are given, where an alias says so.
    Rules and permissions name them as a person is shown them."""

    def __post_init__(self) -> None:
        check_kind("the name of a tool", self.name, str, "a text such as 'search'")
        check_kind(f"the description of tool {self.name!r}", self.description, str, "a text")
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", self.name):
            raise UsageError(
                f"tool name {self.name!r}: providers take 1 to 64 letters, digits, _ and - only"
            )
        if self.function is not None and is_generator(self.function):
            raise UsageError(
                f"tool {self.name!r} is a generator: it has a `yield`, so a call would run nothing"
                " of it. Return the whole result instead, as a list for instance"
            )
        self._check_settings()
        if self.background and self.function is None:
            raise UsageError(
                f"tool {self.name!r} has no function, so nothing of it runs in the background"
            )
        if self.read_only:
            object.__setattr__(self, "idempotent", True)
        if self.retries and not self.idempotent:
            raise UsageError(
                f"tool {self.name!r} has retries={self.retries} but isn't idempotent: a failed try"
                " may have had its effect. Say idempotent=True if that is safe, or raise ToolRetry"
                " where nothing has happened yet"
            )
        if self.poll is not None:
            refuse_poll(self.poll, f"tool {self.name!r}")
        if not isinstance(self.parameters, Mapping) or as_object(self.parameters) is None:
            raise UsageError(
                f"tool {self.name!r}: its parameters must be a JSON Schema of type object"
            )
        _ = self._check_or_default  # refuses parameters that are no JSON Schema
        if self.verify or self.honours_key:
            runs = isinstance(self.kind, OfFunction)
            refuse_verify(self.name, self.verify, idempotent=self.idempotent, runs=runs)
            _ = self.verify_signature

    def _check_settings(self) -> None:
        what = f"tool {self.name!r}: "
        if self.timeout_s == math.inf:
            object.__setattr__(self, "timeout_s", None)
        check_number(f"{what}timeout_s", self.timeout_s, or_none="no limit")
        check_whole_number(f"{what}retries", self.retries)
        check_whole_number(f"{what}max_chars", self.max_chars, 1)
        check_number(f"{what}settle_s", self.settle_s)
        names = ("idempotent", "read_only", "parallel", "honours_key", "background")
        flags = {name: getattr(self, name) for name in names}
        if isinstance(self.labels, str):
            raise UsageError(f"{what}labels is a text; give a list, such as [{self.labels!r}]")
        for label in self.labels:
            check_choice(f"Tool({self.name!r}, labels", label, *get_args(Label))
        object.__setattr__(self, "labels", tuple(self.labels))
        self._check_functions()
        if not callable(self.needs_approval):
            flags["needs_approval"] = self.needs_approval
        check_flags(f"{what}", **flags)

    def _check_functions(self) -> None:
        """What a call needs to be judged and tried again: found wrong now, it fails no turn."""
        what = f"tool {self.name!r}: "
        for name in ("function", "check"):
            given = getattr(self, name)
            if given is not None and not callable(given):
                raise UsageError(f"{what}{name} is {name_kind(given)}, not a function")
        for name in ("check", "needs_approval"):
            given = getattr(self, name)
            if callable(given) and is_async(given):
                raise UsageError(
                    f"{what}{name} is an async function, and nobody awaits it; give a plain one"
                )
        kinds = self.retry_on if isinstance(self.retry_on, tuple | list) else (None,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            raise UsageError(
                f"{what}retry_on={self.retry_on!r}: it must be a tuple of classes of errors, such"
                " as (TimeoutError,)"
            )
        object.__setattr__(self, "retry_on", tuple(self.retry_on))

    @property
    def kind(self) -> ToolKind:
        """What a call of it is."""
        if self.special:
            return self.special
        return Question() if self.function is None else OfFunction(self.function)

    @property
    def child(self) -> OfChild | None:
        """How its calls run as child threads; None where they don't."""
        return self.special if isinstance(self.special, OfChild) else None

    @cached_property
    def verify_signature(self) -> VerifySignature:
        """How `verify` is called."""
        assert self.verify
        takes = {*self.parameters.get("properties", ()), *parameter_names(self.function)}
        return read_verify(self.verify, takes - {self.context}, f"tool {self.name!r}")

    @cached_property
    def schema(self) -> ToolSchema:
        """What the model is told, in a shape that every provider takes."""
        parameters = as_object(self.parameters) or {}
        return ToolSchema(self.name, self.description or self.name, parameters, self.labels)

    def arguments_of(self, text: str) -> Arguments:
        """The checked arguments in a JSON text, for the function and approval rules alike.

        Raises ToolError.
        """
        try:
            return refuse_rounded(text, self._checked(text))
        except ValueError as error:
            raise ToolError(f"bad arguments: {error}") from None

    def _checked(self, text: str) -> Arguments:
        given = parse_json_object(text)
        try:
            return self._check_or_default(given)
        except (ToolError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a validator of a type may be anybody's code
            said = redact(describe_raised(error))
            raise ToolError(f"bad arguments: their check raised {said}") from error

    def as_given(self, arguments: Arguments) -> dict[str, Any]:
        """Checked arguments by the names that the model and people see."""
        return {self.given_as.get(name, name): value for name, value in arguments.items()}

    @cached_property
    def _check_or_default(self) -> Check:
        if self.check:
            return self.check
        return make_schema_check(self.name, self.parameters)


def make_schema_check(name: str, parameters: dict[str, Any]) -> Check:
    # Only a tool that is made from a schema pays for the import, and needs the library.
    try:
        from .json_schema import make_check
    except ImportError:
        raise UsageError(
            f"tool {name!r} is made from a JSON Schema, whose check needs a library:"
            " pip install 'treadle[schemas]'; or give the tool a check= of your own"
        ) from None
    return make_check(name, parameters)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; also of a partial or an object that wraps one."""
    inner = getattr(function, "func", function)
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)
