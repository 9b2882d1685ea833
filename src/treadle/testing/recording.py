"""A thread in a file, as `treadle db export` and `save-test` write it, and what a test can do with it.

Nothing here asks a model or runs a tool: both give what they gave then.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from ..core import events as e
from ..core.codec import decode_record
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.model import Model, Reply
from ..core.result import Result
from ..core.state import fold
from ..models.scripted import ScriptedModel
from ..observe.timeline import Timeline
from ..observe.visible import make_visible
from ..runtime.agent import Agent
from ..runtime.replay import replay
from ..runtime.sync import run_sync
from .rerun import make_stand_in, rerun


@dataclass(frozen=True)
class Recording:
    """One thread, from its first record."""

    records: tuple[e.Record, ...]

    def replay(self, agent: Agent) -> None:
        """Run it again offline, with this agent: AssertionError at the first record that comes out otherwise.

        A prompt, a tool's schema, a limit or a rule that is another one shows as the first difference that it makes.
        The agent's model needs no key; where it is None, it is the one that the recording names.
        """
        __tracebackhide__ = True
        found = run_sync(
            replay(self.records, replace(agent, model=self._model_of(agent)).run_settings)
        )
        if found is None:
            return
        timeline = Timeline()
        lines = {record.seq: timeline.line(record) for record in self.records}
        raise AssertionError(
            make_visible(
                f"the replay parts from the recording at {found}\n  there: {lines[found.seq]}"
            )
        )

    def run(self, agent: Agent) -> tuple[Result, ...]:
        """What comes of the recorded messages with this agent, a result a turn; rerun.py says what may differ."""
        __tracebackhide__ = True
        return run_sync(rerun(self.records, agent))

    def model(self) -> ScriptedModel:
        """A model that gives the recorded replies in their order, whatever it is asked.

        Failures are left out, and summaries: it never needs one.
        """
        script, aside = list[Reply](), False
        for record in self.records:
            match record.event:
                case e.ModelCalled(purpose=purpose):
                    aside = purpose == "compact"
                case e.ModelReplied() as r if not aside:
                    script.append(Reply(r.content, r.usage, r.finish_reason, r.refusal, r.opaque))
        then = make_stand_in(self.records)
        return ScriptedModel(script, name=then.name, context_tokens=then.context_tokens)

    def _model_of(self, agent: Agent) -> Model:
        if not isinstance(agent.model, str | None):
            return agent.model
        from ..models.resolve import resolve_without_key

        then = make_stand_in(self.records)
        try:
            return resolve_without_key(agent.model or then.name)
        except UsageError:
            if agent.model:
                raise
            return then  # it was an object of the program's own


def load_recording(file: str | Path) -> Recording:
    """The thread in a file of JSON Lines. Raises UsageError where there is none, or more than one, or one in parts."""
    try:
        lines = Path(file).read_bytes().splitlines()
        records = tuple(decode_record(line) for line in lines if line.strip())
        threads = {record.thread_id for record in records}
        if len(threads) != 1:
            raise UsageError(
                f"{file} holds {len(threads)} threads; it must be one: treadle db export THREAD -o {file}"
            )
        fold(records)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from None
    except (StoreDamaged, IllegalEvent) as error:
        raise UsageError(f"{file} holds no thread that can be read: {error}") from error
    return Recording(records)
