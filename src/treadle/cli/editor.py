"""`treadle acp`: an agent for editors that speak the Agent Client Protocol."""

import asyncio
from dataclasses import dataclass

from ..core.errors import UsageError
from ..runtime.agent import Agent
from .agents import make_runner
from .options import AgentOptions
from .parameters import make_argument
from .signals import serve_one


@dataclass(frozen=True, kw_only=True)
class EditorOptions(AgentOptions):
    place: str | None = make_argument(
        "MODULE:NAME", "An agent of your own; none: Treadle's own.", None
    )


def editor(settings: EditorOptions) -> int:
    """Let an editor talk to an agent, by the Agent Client Protocol over standard input and output.

    A session is a thread: `treadle show`, the page and other editors see it, too.
    """
    from dataclasses import replace

    try:
        from ..serve.editor import serve_editor
    except ImportError as error:
        raise UsageError(f"treadle acp needs {error.name}: pip install 'treadle[acp]'") from None
    runner = make_runner(replace(settings, agent=settings.place or settings.agent), True)
    if not isinstance(runner, Agent):
        raise UsageError(f"{runner.name} is a flow; an editor talks to an agent")
    return asyncio.run(serve_one(serve_editor(runner)))
