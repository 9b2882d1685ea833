"""`step`, as the code of a flow calls it. steps.py does the work.

Its own options stand apart, in `step.options(...)`, so that all that follows the function are the
function's arguments: none can be taken for an option, and type checkers compare each.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack, overload

from ..core.check_settings import check_kind, refuse_unknown
from ..core.context import Context
from ..core.result import Result
from ..core.tool import Tool
from ..runtime.agent import Agent
from ..runtime.said import Said
from .steps import Settings, StepCoroutine, ask_step

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")
_WithContext = Callable[Concatenate[Context[Any], P], T]
_ToolWithContext = Tool[Concatenate[Context[Any], P], T, Any]


@dataclass(frozen=True)
class Step:
    """What `step` is: it asks for steps, with these options."""

    id: str | None = None
    settings: Settings = field(default_factory=Settings)

    def options(self, *, id: str | None = None, **settings: Unpack[Settings]) -> "Step":
        """`step` with options: `await step.options(id="pay", retries=2)(charge, customer, 5)`.

        `id` is the step's name in the log; without one, it gets one by the order of steps, if that
        order can't vary. The settings are those of a tool: after a crash, a function that had
        started runs again only if it is idempotent.
        """
        refuse_unknown("step.options()", settings, Settings)
        if id is not None:
            check_kind("step.options(id=)", id, str, "a text that names the step")
        return replace(self, id=id or self.id, settings={**self.settings, **settings})

    @overload
    def __call__(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: _WithContext[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: _WithContext[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: Tool[P, Awaitable[T], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: Tool[P, T, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: _ToolWithContext[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: _ToolWithContext[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> StepCoroutine[T]: ...
    @overload
    def __call__(
        self, function: Agent[None, T], /, said: Said, *, within: float | None = None
    ) -> StepCoroutine[Result[T]]: ...
    @overload
    def __call__(
        self, function: Agent[D, T], /, said: Said, *, deps: D, within: float | None = None
    ) -> StepCoroutine[Result[T]]: ...
    def __call__(self, function: Any, /, *args: Any, **kwargs: Any) -> StepCoroutine[Any]:
        """Run this once, whatever happens to the process: `await step(charge, customer, 5)`.

        It is a function, a tool with its settings, or an agent, which gets a thread of its own. The
        result is kept in the log as JSON. After a crash or a time-out that cut it off, a
        tool's `verify` is asked, or the flow waits until somebody decides, unless it is idempotent.
        The function gets copies of its arguments, and a Context where it has a parameter for that.
        Arguments and result come back as the types of the function's annotations. Raises UsageError
        for an argument that would come back as another value, and StepFailed.
        """
        return ask_step(function, args, kwargs, self.id, self.settings)


step = Step()
"""Asks for a step of a flow, see `Step.__call__`."""
