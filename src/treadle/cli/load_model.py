"""The embedded model, got ready with something to look at: the weights are copied once, the server takes seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..core.errors import UsageError
from ..runtime.agent import Agent
from ..runtime.job import RunSettings
from .terminal import Screen

Progress = Callable[[int, int], None]


def load_model(agent: Agent, screen: Screen) -> Agent:
    """The agent with its model made; an embedded one is up when this returns. Raises UsageError, as the model does."""
    from ..models.resolve import resolve_model

    model = (
        resolve_model(agent.model)
        if agent.model is None or isinstance(agent.model, str)
        else agent.model
    )
    agent = replace(agent, model=model)
    _refuse_unpriced(agent.run_settings)
    if model.name.partition(":")[0] == "local":
        from ..models.local.model import LocalModel

        if isinstance(model, LocalModel):
            screen.notice("loading the embedded model…")
            with progress_bar(screen) as progress:
                replace(model, progress=progress).start()
            screen.end_line()
    return agent


def _refuse_unpriced(job: RunSettings) -> None:
    """As the agent itself does, in the words of the command line."""
    try:
        job.refuse_unpriced()
    except UsageError:
        raise UsageError(
            f"a limit of ${job.policy.limits.cost_usd:g} can't hold: no price is known for {job.model.name}; limit"
            " --max-tokens instead, or say --unpriced to let its calls pass"
        ) from None


def pull_weights(screen: Screen) -> Path:
    """Put the embedded model's weights together, unless they are there. Raises UsageError."""
    from ..models.local import weights

    with progress_bar(screen) as progress:
        return weights.ensure_weights(progress)


@contextmanager
def progress_bar(screen: Screen) -> Iterator[Progress]:
    """What to tell of the bytes done and the total: a bar on a terminal, one line elsewhere, nothing if never told."""
    if not screen.live:
        told: list[int] = []

        def once(done: int, total: int) -> None:
            if not told:
                screen.note(f"preparing the embedded model, once ({total / 1e9:.1f} GB)")
            told.append(done)

        yield once
        return

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("preparing the embedded model, once", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    task = shown.add_task("", total=None)

    def moved(done: int, total: int) -> None:
        if not shown.live.is_started:
            screen.end_line()
            shown.start()
        shown.update(task, completed=done, total=total)

    try:
        yield moved
    finally:
        shown.stop()
