"""Prepares an agent's model, with a progress bar for the embedded one: it takes seconds."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..models.choose import make_models
from ..runtime.agent import Agent
from ..runtime.settings import RunSettings
from ..runtime.unpriced import find_unpriced
from .terminal import Screen

Progress = Callable[[int, int], None]


def load_model(agent: Agent, screen: Screen) -> Agent:
    """The agent with its model made, and started if it is the embedded one. Raises UsageError."""
    models = make_models(agent.model)
    agent = replace(agent, model=models)
    model = models[0]
    agent.run_settings.refuse_uncarried()
    _refuse_unpriced(agent.run_settings)
    if model.name.partition(":")[0] == "local":
        from ..models.local.local_model import LocalModel

        if isinstance(model, LocalModel):
            screen.notice("loading the embedded model…")
            with progress_bar(screen) as progress:
                replace(model, progress=progress).start()
            screen.end_line()
    return agent


def _refuse_unpriced(settings: RunSettings) -> None:
    """Refuse what the agent refuses, but name the options of the command line."""
    if name := find_unpriced(settings):
        prices = '{"input": 0.2, "output": 0.8}'
        raise UsageError(
            f"a limit in US dollars can't hold: no price is known for {name}; give it, as"
            f" -o 'prices={prices}' (US dollars for a million tokens), limit --max-tokens instead,"
            " or say --unpriced to let its calls pass"
        )


def pull_weights(screen: Screen) -> Path:
    """Assemble the weights of the embedded model, unless that is done. Raises UsageError."""
    from ..models.local import weights

    with progress_bar(screen) as progress:
        return weights.ensure_weights(progress)


@contextmanager
def progress_bar(screen: Screen) -> Iterator[Progress]:
    """A function to call with the bytes done and the total: it shows a bar, or a line in a pipe."""
    if not screen.live:
        is_shown = False

        def show_once(done: int, total: int) -> None:
            nonlocal is_shown
            if not is_shown:
                screen.note(f"preparing the embedded model, once ({total / 1e9:.1f} GB)")
            is_shown = True

        yield show_once
        return

    import click

    bar: Any = None

    def show_bar(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            screen.end_line()
            label = f"preparing the embedded model, once ({total / 1e9:.1f} GB)"
            bar = click.progressbar(length=total, label=label, file=sys.stderr)
        bar.update(done - bar.pos)
        if done >= total:
            bar.render_finish()
            bar = None
            screen.notice("starting the embedded model…")

    try:
        yield show_bar
    finally:
        if bar is not None:
            bar.render_finish()
        screen.end_line()
