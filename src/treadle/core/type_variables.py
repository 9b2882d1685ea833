"""The type variables of Context, Tool, Result, Agent and Flow. What they default to is what a bare
name means in an annotation.

    Context   deps of any type
    Result    an output of any type
    Tool      any parameters and result; it needs no deps
    Agent     it needs no deps, and answers with text
"""

from typing import Generic

from typing_extensions import ParamSpec, TypeVar

P = ParamSpec("P", default=...)
"""The parameters of a function."""
R = TypeVar("R", covariant=True, default=object)
"""What a function returns."""
DepsOfContext = TypeVar("DepsOfContext", covariant=True, default=object)
"""What a Context holds."""
Deps = TypeVar("Deps", contravariant=True, default=object)
"""What must be given to a run. `object`: nothing need be given. It is contravariant, as whatever
does with nothing does with anything; so who takes `None` needs no deps."""
Out = TypeVar("Out", covariant=True, default=str)
"""What an agent answers with."""
Output = TypeVar("Output", covariant=True, default=object)
"""What a Result holds."""


class NoDeps(Generic[Deps]):
    """Stands for no `deps_type`. It lets type checkers find out from all else what the deps are."""


NO_DEPS: NoDeps[object] = NoDeps()
