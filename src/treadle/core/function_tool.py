"""`@tool`, which makes a tool from a function. Runs nothing.

The JSON Schema and the check of arguments come from the function's signature, by pydantic, and the
descriptions from its docstring.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, overload

from .context import Check, Context
from .errors import UsageError
from .name_kind import name_kind, why_no_tool
from .tool import NeedsApproval, Tool, make_schema_check
from .values import Label
from .verify import bind_verify, refuse_verify_of_method

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")


class ToolSettings(TypedDict, total=False):
    """What `@tool` takes: the fields of Tool that don't come from the function alone."""

    name: str
    description: str
    parameters: dict[str, Any]
    check: Check | None
    idempotent: bool
    read_only: bool
    parallel: bool
    background: bool
    needs_approval: NeedsApproval
    timeout_s: float | None
    retries: int
    retry_on: tuple[type[BaseException], ...]
    poll: Callable[..., Any] | None
    max_chars: int
    verify: Callable[..., Any] | None
    settle_s: float
    honours_key: bool
    labels: tuple[Label, ...]


class ToolMaker(Protocol):
    """What `@tool(...)` gives: it makes a tool of a function."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context[D], P], T], /
    ) -> Tool[Concatenate[Context[D], P], T, D]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> Tool[P, T]: ...


@overload
def tool(
    function: Callable[Concatenate[Context[D], P], T], /, **settings: Unpack[ToolSettings]
) -> Tool[Concatenate[Context[D], P], T, D]: ...
@overload
def tool(function: Callable[P, T], /, **settings: Unpack[ToolSettings]) -> Tool[P, T]: ...
@overload
def tool(**settings: Unpack[ToolSettings]) -> ToolMaker: ...
def tool(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a tool from a sync or async function: `@tool`, or `@tool(idempotent=True, timeout_s=5)`.

    The settings are Tool's fields. Name, description and schema come from the function by default:

        @tool(read_only=True)
        def weather(city: str, days: int = 1) -> str:
            \"\"\"The forecast for a city.

            Args:
                city: Its English name.
                days: How many days ahead, at most 7.
            \"\"\"

    Under `@tool`, a method of a class is a tool of each of its objects: `tools=[shop.price]`.
    """
    unknown = settings.keys() - ToolSettings.__annotations__.keys()
    if unknown:
        known = ", ".join(ToolSettings.__annotations__)
        raise UsageError(f"@tool has no setting {sorted(unknown)}; there are: {known}")
    if function is None:
        return lambda function: tool(function, **settings)
    if _is_unbound(function):
        refuse_verify_of_method(function, settings.get("verify"))
        return ToolMethod(function, settings)
    return make_tool(function, **settings)


@dataclass(frozen=True)
class ToolMethod:
    """A method under `@tool` in a class. It becomes a tool on an object: `Shop().price`."""

    function: Any
    settings: dict[str, Any]

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None and not isinstance(self.function, classmethod):
            return self
        settings = bind_verify(self.settings, owner, kind)
        return make_tool(self.function.__get__(owner, kind), **settings)


def _is_unbound(function: Any) -> bool:
    """Whether it is a method that no object has been asked for."""
    if isinstance(function, classmethod):
        return True
    place = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not inspect.isfunction(function) or not place or place.endswith("<locals>"):
        return False
    return next(iter(inspect.signature(function).parameters), "") in ("self", "cls")


def make_tool(function: Callable[..., Any], **settings: Any) -> Tool:
    """`@tool` as a plain function. Raises UsageError for a signature without a JSON Schema."""
    inner: Any = getattr(function, "__func__", None)
    if isinstance(inner, ToolMethod):  # @classmethod above @tool
        bound = inner.function.__get__(getattr(function, "__self__", None))
        return make_tool(bound, **(inner.settings | settings))
    if isinstance(function, ToolMethod) or _is_unbound(function):
        method: Any = getattr(function, "function", function)
        place = getattr(method, "__func__", method).__qualname__
        owner, _, name = place.rpartition(".")
        raise UsageError(
            f"{place} is a method: it needs the object that it works on. Give the tool of an"
            f" object, {owner}().{name}"
        )
    if isinstance(function, Tool):
        raise UsageError(
            f"{name_kind(function)} is a tool already: give it as it is. One like it, with other"
            " settings, is dataclasses.replace(it, ...)"
        )
    if reason := why_no_tool(function):
        raise UsageError(reason)
    from .schema import read_signature

    signature = read_signature(function)
    fields: dict[str, Any] = vars(signature) | {"function": function}
    if "parameters" in settings and "check" not in settings:
        # The schema that the model is shown holds too, beside the signature.
        check_schema = make_schema_check(signature.name, settings["parameters"])
        fields["check"] = lambda given: signature.check(dict(check_schema(given)))
    return Tool(**(fields | settings))
