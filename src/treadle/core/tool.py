"""What a tool is, and `@tool`, which makes one of a function. Runs nothing; the loop does.

1. The JSON Schema and the checking of arguments come from the signature, by pydantic; descriptions from the docstring.
   A tool made of a JSON Schema checks by that.
2. A tool may have its effect at most once unless it says `idempotent`; so only an idempotent one has `retries`,
   and any tool may raise ToolRetry, which says that nothing has happened yet.
3. A tool without a function is answered by the person (see ask.py).
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

from .context import Arguments, Check
from .errors import ToolError, UsageError
from .limits import Limits
from .model import ToolSchema
from .strict_json import value_of

NeedsApproval = bool | Callable[[Arguments], bool]


@dataclass(frozen=True)
class Tool:
    """A tool, as data. Made by `@tool`, or by hand where the schema comes from elsewhere."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""
    function: Callable[..., Any] | None = None
    """Called with the checked arguments as keywords; sync ones in a thread. None: a person answers."""
    check: Check | None = field(default=None, repr=False)
    """Of the JSON object that the model sent: the arguments. Raises ToolError in words for the model.

    None: what fits `parameters`, with what is mistyped coerced as by `@tool`.
    """
    context: str = ""
    """The name of the parameter that takes the Context."""
    idempotent: bool = False
    """Running it twice is as good as once: it may run again after a crash, and be retried."""
    read_only: bool = False
    """It changes nothing outside; approval rules may go by this. Implies idempotent."""
    sequential: bool = False
    """It never runs beside another call of the same reply."""
    needs_approval: NeedsApproval = False
    timeout_s: float | None = 60.0
    retries: int = 0
    """How often a failure that may pass (a ConnectionError or TimeoutError) is tried again."""
    max_chars: int = 20_000
    """A longer result is cut, with a notice that says so."""
    child: Limits | None = None
    """Its function drives a thread of its own within these limits; called again, it goes on where that one stands."""
    agent: Any = None
    """The agent that drives that thread."""
    hands_to: str = ""
    """The agent that takes the thread over when this is called; there is no function then."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", self.name):
            raise UsageError(
                f"tool name {self.name!r}: providers take 1 to 64 letters, digits, _ and - only"
            )
        if self.read_only:
            object.__setattr__(self, "idempotent", True)
        if self.retries and not self.idempotent:
            raise UsageError(
                f"tool {self.name!r} has retries={self.retries} but isn't idempotent: a failed try may have had its"
                " effect. Say idempotent=True if that is safe, or raise ToolRetry where nothing has happened yet"
            )
        if self.parameters.get("type") != "object":
            raise UsageError(
                f"tool {self.name!r}: its parameters must be a JSON Schema of type object"
            )
        _ = self._checking  # a schema that is none is refused here

    @cached_property
    def schema(self) -> ToolSchema:
        return ToolSchema(self.name, self.description, self.parameters)

    def arguments_of(self, text: str) -> Arguments:
        """What that JSON text gives the function; approval rules judge the same. Raises ToolError."""
        return self._checking(parse_json_object(text))

    @cached_property
    def _checking(self) -> Check:
        if self.check:
            return self.check
        from .json_schema import make_check  # only who makes a tool of a schema pays for the import

        return make_check(self.name, self.parameters)


def parse_json_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`; "" is {}. Raises ToolError in words for the model."""
    try:
        value = value_of(text or "{}")
    except ValueError as error:
        raise ToolError(
            f"the arguments are not valid JSON ({error}); send one JSON object"
        ) from None
    if not isinstance(value, dict):
        raise ToolError(f"the arguments are a JSON {type(value).__name__}; send one JSON object")
    return value


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(**settings: Any) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a tool of a sync or async function: `@tool`, or `@tool(idempotent=True, timeout_s=5)`.

    The settings are Tool's fields. Name, description and schema come from the function unless given:

        @tool(read_only=True)
        def weather(city: str, days: int = 1) -> str:
            \"\"\"The forecast for a city.

            Args:
                city: Its English name.
                days: How many days ahead, at most 7.
            \"\"\"
    """
    if function is None:
        return lambda function: make_tool(function, **settings)
    return make_tool(function, **settings)


def make_tool(function: Callable[..., Any], **settings: Any) -> Tool:
    """What `@tool` does, as a function. Raises UsageError for a signature that has no JSON Schema."""
    from .schema import read_signature

    unknown = settings.keys() - Tool.__dataclass_fields__.keys()
    if unknown:
        raise UsageError(
            f"@tool has no setting {sorted(unknown)}; there are: {', '.join(Tool.__dataclass_fields__)}"
        )
    made = read_signature(function)
    own: dict[str, Any] = {"function": function}
    own |= {
        name: getattr(made, name)
        for name in ("name", "description", "parameters", "check", "context")
    }
    if "parameters" in settings and "check" not in settings:
        from .json_schema import make_check

        fits = make_check(made.name, settings["parameters"])  # what the model is shown holds too
        own["check"] = lambda given: made.check(dict(fits(given)))
    return Tool(**(own | settings))


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; also true of objects and partials that wrap one."""
    inner = getattr(function, "func", function)
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)
