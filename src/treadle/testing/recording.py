"""A recorded thread as a test uses it: replayed exactly, or run again with today's agent.

`treadle db export` and `treadle save-test` write the file. Nothing here calls a model or runs a
tool: their results come from the recording.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core import events as e
from ..core.codec import decode_record
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.links import start_of_child
from ..core.model import ModelChoice, Reply
from ..core.result import Result
from ..core.state import fold
from ..core.visible import make_visible
from ..models.choose import make_models
from ..models.resolve import resolve_without_key
from ..models.scripted import ScriptedModel
from ..observe.timeline import Timeline
from ..runtime.agent import AnyAgent
from ..runtime.replay import replay
from ..runtime.sync import run_sync
from .rerun import rerun
from .stand_ins import make_stand_in


@dataclass(frozen=True)
class Recording:
    """One thread, from its first record."""

    records: tuple[e.Record, ...]

    def replay(self, agent: AnyAgent | None = None) -> None:
        """Replay it offline with this agent; None: with what the recording says of its own.

        Raises AssertionError at the first record that differs.

        A changed prompt, tool schema, limit or rule shows as the first difference that it makes.
        The agent's model needs no key; if the agent has none, the recording names it.
        """
        __tracebackhide__ = True
        settings = None
        if agent is not None:
            settings = replace(agent, model=self._choose_model(agent)).run_settings
        difference = run_sync(replay(self.records, settings))
        if difference is None:
            return
        timeline = Timeline()
        lines = {record.seq: timeline.line(record) for record in self.records}
        recorded = lines[difference.seq]
        message = f"the replay parts from the recording at {difference}\n  there: {recorded}"
        raise AssertionError(make_visible(message))

    def run(self, agent: AnyAgent, deps: Any = None) -> tuple[Result, ...]:
        """Run its messages with this agent; `deps` are for its checks, as for Agent.run.

        A result for each turn. rerun.py says what may differ.
        """
        __tracebackhide__ = True
        return run_sync(rerun(self.records, agent, deps))

    def model(self) -> ScriptedModel:
        """A model that gives the recorded replies in their order, whatever the request is.

        Failures and summaries are left out.
        """
        script: list[Reply] = []
        summarizing = False
        for record in self.records:
            match record.event:
                case e.ModelCalled(purpose=purpose):
                    summarizing = purpose == "compact"
                case e.ModelReplied() as r if not summarizing:
                    script.append(
                        Reply(r.content, r.usage, r.finish_reason, r.refusal, r.opaque, r.fault)
                    )
        recorded = make_stand_in(self.records)
        return ScriptedModel(script, name=recorded.name, context_tokens=recorded.context_tokens)

    def _choose_model(self, agent: AnyAgent) -> ModelChoice:
        if isinstance(agent.model, Sequence) and not isinstance(agent.model, str):
            return make_models(agent.model, resolve_without_key)
        if not isinstance(agent.model, str | None):
            return agent.model
        recorded = make_stand_in(self.records)
        try:
            return resolve_without_key(agent.model or recorded.name)
        except UsageError:
            if agent.model:
                raise
            return recorded  # the model was an object of the program


def load_recording(file: str | Path) -> Recording:
    """The thread in a file of JSON Lines, without its children.

    Raises UsageError unless it holds exactly one whole thread and maybe its children.
    """
    try:
        lines = Path(file).read_bytes().splitlines()
        threads: dict[str, list[e.Record]] = {}
        for record in [decode_record(line) for line in lines if line.strip()]:
            threads.setdefault(record.thread_id, []).append(record)
        top = [records for records in threads.values() if not _is_below(records, threads)]
        if len(top) != 1:
            raise UsageError(
                f"{file} holds {len(top)} threads; it must be one:"
                f" treadle db export THREAD -o {file}"
            )
        fold(top[0])
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from None
    except (StoreDamaged, IllegalEvent) as error:
        raise UsageError(f"{file} holds no thread that can be read: {error}") from error
    return Recording(tuple(top[0]))


def _is_below(records: Sequence[e.Record], threads: Container[str]) -> bool:
    """Whether it is the child of one of these threads."""
    start = start_of_child(records)
    return start is not None and start.parent_thread_id in threads
