"""An agent for editors, by the Agent Client Protocol: a session is a thread, loaded from its log.

What a turn waits for is asked as editor_asking.py has it; a message answers a question that was
asked as text. The types of the protocol stand in these modules, whose names begin with `editor`.
"""

import contextlib
from contextlib import aclosing
from typing import Any

import acp
from acp import schema as s

from ..core import events as e
from ..core.errors import IllegalEvent, TreadleError, UnknownThread, UsageError
from ..core.result import Result, read_result
from ..core.state import OPEN_PHASES, State, apply
from ..core.version import VERSION
from ..runtime.agent import Agent
from ..runtime.background import go_on_alone
from ..runtime.conflicts import refuse_others
from ..runtime.follow import Items
from ..runtime.listeners import Delta
from ..runtime.log import Log, open_log
from ..runtime.require_log import require_log
from ..runtime.world import World
from ..stores.open_store import open_store
from .chat_shapes import Words
from .editor_asking import Asking
from .editor_questions import can_show_forms, find_question
from .editor_updates import Updates, read_prompt
from .lines import Lines
from .readings import Readings
from .turn_part import begin_saying, result_since, seq_before_steering

BY = "the editor"
PAGE = 50
STOP_REASONS: dict[str, s.StopReason] = {
    "limit": "max_turn_requests",
    "refused": "refusal",
    "cancelled": "cancelled",
}
"""By how a turn has ended; `end_turn` for all others."""


class EditorAgent:
    """Speaks for an agent to one editor."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._store = open_store(agent.store)
        self._lines = Lines(self._store, Readings(self._store))
        self._client: Any = None
        self._showing: set[str] = set()
        """The sessions of which a prompt shows now what comes: another one shows nothing."""
        self._shown: dict[str, int] = {}
        """By session, the seq of the last record that was shown."""
        self._asking = Asking(agent, BY)

    def on_connect(self, conn: Any) -> None:
        self._client = self._asking.client = conn

    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: s.ClientCapabilities | None = None,
        **_: Any,
    ) -> s.InitializeResponse:
        self._asking.shows_forms = can_show_forms(client_capabilities)
        return s.InitializeResponse(
            protocol_version=min(protocol_version, acp.PROTOCOL_VERSION),
            agent_capabilities=s.AgentCapabilities(
                load_session=True,
                prompt_capabilities=s.PromptCapabilities(image=True, embedded_context=True),
                session_capabilities=s.SessionCapabilities(
                    list=s.SessionListCapabilities(), resume=s.SessionResumeCapabilities()
                ),
            ),
            agent_info=s.Implementation(name=self._agent.name, version=VERSION),
            auth_methods=[],
        )

    async def authenticate(self, method_id: str, **_: Any) -> None:
        raise acp.RequestError.method_not_found("authenticate")

    async def new_session(self, cwd: str, **_: Any) -> s.NewSessionResponse:
        return s.NewSessionResponse(session_id=World().new_id())

    async def list_sessions(self, cursor: str | None = None, **_: Any) -> s.ListSessionsResponse:
        before = int(cursor) if cursor and cursor.isascii() and cursor.isdigit() else None
        infos = await self._store.threads(PAGE, agent=self._agent.name, parent="", before=before)
        lines = [await self._lines.make(info) for info in infos]
        sessions = [
            s.SessionInfo(session_id=each.thread_id, cwd="/", title=each.title) for each in lines
        ]
        last = str(infos[-1].position) if len(infos) == PAGE else None
        return s.ListSessionsResponse(sessions=sessions, next_cursor=last)

    async def load_session(self, session_id: str, **_: Any) -> s.LoadSessionResponse:
        """Show the thread again, record by record; a turn that is open is brought to its end."""
        log = await self._open(session_id)
        updates = Updates(session_id)
        words = Words(session_id, ())
        state = State()
        for record in log.records:
            state = apply(state, record)
            await self._send(session_id, updates.of_history(record))
            await self._send(session_id, updates.make(record, words.take(record)))
            if isinstance(record.event, e.TurnEnded) and state.turn:
                of_turn = log.records[state.turn.opened_seq - 1 : record.seq]
                await self._say(session_id, words.end(read_result(of_turn, state)))
        self._go_on(log)
        return s.LoadSessionResponse()

    async def resume_session(self, session_id: str, **_: Any) -> s.ResumeSessionResponse:
        self._go_on(await self._open(session_id))
        return s.ResumeSessionResponse()

    def _go_on(self, log: Log) -> None:
        """Have an open turn brought to its end in the background, and shown as a prompt's."""
        if log.state.phase in OPEN_PHASES:
            session_id = log.thread_id
            self._agent.resume_in_background(session_id)
            items = self._agent.follow(session_id, after=log.state.seq)
            go_on_alone(session_id, self._bring_to_end(session_id, items))

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> s.PromptResponse:
        """Say it, show what comes of it, and ask for the permissions that it needs."""
        said = read_prompt(prompt, BY)
        try:
            await self._refuse_others(session_id)
            after = await self._answer(session_id, said)
            if after is None:
                after, items = await self._begin(session_id, said)
            else:
                items = self._agent.follow(session_id, after=after)
            result = await self._bring_to_end(session_id, items)
        except TreadleError as error:
            raise acp.RequestError.internal_error({"message": str(error)}) from None
        if after is not None:
            result = result_since(result, after)
        reason = STOP_REASONS.get(result.status, "end_turn")
        usage = s.Usage(
            input_tokens=result.usage.input_tokens,
            output_tokens=result.usage.output_tokens,
            total_tokens=result.usage.total_tokens,
        )
        return s.PromptResponse(stop_reason=reason, usage=usage)

    async def _begin(self, session_id: str, said: e.UserSaid) -> tuple[int | None, Items[Any]]:
        """Say it. What comes of it, and the seq before it where it steers."""
        key = World().new_id()
        begun = await begin_saying(self._agent, said, session_id, key, None)
        log = await require_log(session_id, self._store, World(), begun.opened_seq)
        after = seq_before_steering(log.records, key)
        return after, self._agent.runs.follow(session_id, after, begun)

    async def _answer(self, session_id: str, said: e.UserSaid) -> int | None:
        """Answer the only question that the turn waits for, unless a form asks it now. The seq
        before that; None where there is none."""
        with contextlib.suppress(UnknownThread, IllegalEvent):  # it is new; somebody was faster
            log = await require_log(session_id, self._store, World())
            question = find_question((await self._agent.summary(session_id)).waiting)
            if question is None or not isinstance(said.content, str):
                return None
            if self._asking.asks(question):
                return None
            answer = e.UserSaid(said.content, answers=question.id, by=BY)
            await self._agent.post(question.thread_id, answer)
            self._agent.resume_in_background(session_id)
            return log.state.seq
        return None

    async def cancel(self, session_id: str, **_: Any) -> None:
        with contextlib.suppress(IllegalEvent, UnknownThread, UsageError):
            await self._refuse_others(session_id)
            await self._agent.post(session_id, e.TurnEnded("cancelled", f"by {BY}"))

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise acp.RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """None is known here."""

    async def _bring_to_end(self, session_id: str, items: Items[Any]) -> Result:
        """Show what comes, and ask for what it waits for, until it has ended or nobody decides."""
        result = await self._show(session_id, items)
        while result.status == "waiting":
            decided = await self._asking.ask(session_id, result.waiting)
            if (await self._open(session_id)).state.is_open:  # else it was cancelled meanwhile
                if not decided:
                    break  # it waits on
                self._agent.resume_in_background(session_id)
            seq = max(result.records[-1].seq, self._shown.get(session_id, 0))
            result = await self._show(session_id, self._agent.follow(session_id, after=seq))
        return result

    async def _refuse_others(self, session_id: str) -> None:
        """Raise UsageError for a thread of another agent; a new session is none yet."""
        log = await open_log(session_id, self._store, World())
        refuse_others(self._agent.name, log.records, log.state)

    async def _open(self, session_id: str) -> Log:
        try:
            await self._refuse_others(session_id)
            return await require_log(session_id, self._store, World())
        except TreadleError as error:
            raise acp.RequestError.invalid_params({"message": str(error)}) from None

    async def _show(self, session_id: str, items: Items[Any]) -> Result:
        """Show what comes, unless another prompt does; how it ended."""
        updates = Updates(session_id)
        log = await open_log(session_id, self._store, World())
        words = Words(session_id, log.records)
        for record in log.records:
            updates.learn(record)
        leads = session_id not in self._showing
        self._showing.add(session_id)
        try:
            async with aclosing(items):
                async for item in items:
                    if leads:
                        await self._show_item(session_id, item, updates, words)
                    if isinstance(item, Result):
                        return item
        finally:
            if leads:
                self._showing.remove(session_id)
        raise acp.RequestError.internal_error({"message": "the turn gave no result"})

    async def _show_item(self, session_id: str, item: Any, updates: Updates, words: Words) -> None:
        if isinstance(item, Result):
            await self._say(session_id, words.end(item))
        elif isinstance(item, Delta) and item.thinking:
            await self._send(session_id, [acp.update_agent_thought_text(item.text)])
        else:
            await self._send(session_id, updates.make(item, words.take(item)))
            if isinstance(item, e.Record) and item.thread_id == session_id:
                self._shown[session_id] = item.seq

    async def _say(self, session_id: str, text: str) -> None:
        if text:
            await self._send(session_id, [acp.update_agent_message_text(text)])

    async def _send(self, session_id: str, updates: list[Any]) -> None:
        with contextlib.suppress(ConnectionError):  # the editor has left
            for update in updates:
                await self._client.session_update(session_id=session_id, update=update)


async def serve_editor(agent: Agent) -> None:
    """Speak to the editor at this process's standard input and output, until it closes them."""
    await acp.run_agent(EditorAgent(agent))  # type: ignore[arg-type]
