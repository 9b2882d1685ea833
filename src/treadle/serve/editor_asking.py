"""Asks an editor's person for what a turn waits for, until it is decided: there or elsewhere.

1. A permission is an approval in the log: it may as well be given in a terminal or on the page, and
   then the editor's person isn't waited for.
2. A question of the agent is a form, where the editor shows any (`elicitation/create`, stable since
   July 2026). Else it is text, and the next message is its answer.
"""

import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

import acp

from ..core import events as e
from ..core.errors import IllegalEvent
from ..observe.wait_text import describe_wait
from ..runtime.agent import Agent
from ..runtime.require_log import require_log
from ..runtime.unless_decided import is_open, unless_decided
from ..runtime.world import World
from ..stores.open_store import open_store
from .editor_questions import (
    OPTIONS,
    find_question,
    make_form,
    read_form,
    read_permission,
)
from .editor_updates import Updates

Said = e.ApprovalGiven | e.UserSaid | None
"""What a person has decided; None: nothing."""


class Asking:
    """What is asked of one editor's person."""

    def __init__(self, agent: Agent, by: str) -> None:
        self.client: Any = None
        self.shows_forms = False
        self._agent = agent
        self._by = by
        self._asked: set[tuple[str, str]] = set()
        """The calls, by thread and id, for which a person is asked now."""

    def asks(self, waiting: e.PendingDecision) -> bool:
        """Whether a person is asked for it now."""
        return (waiting.thread_id, waiting.id) in self._asked

    async def ask(self, session_id: str, waiting: Sequence[e.PendingDecision]) -> bool:
        """Ask for all of this, one after the other. False where nothing of it was decided, here or
        elsewhere."""
        decided = False
        for each in waiting:
            if self.asks(each):
                continue
            asking = self._begin(session_id, each)
            if asking is None:
                text = f"This turn waits: {describe_wait(each, session_id)}"
                if find_question(waiting):
                    text = f"{each.reason}\n\n(Your next message is the answer.)"
                update = acp.update_agent_message_text(f"\n\n{text}")
                await self.client.session_update(session_id=session_id, update=update)
            else:
                decided = await self._decide(each, asking) or decided
        return decided

    def _begin(
        self, session_id: str, waiting: e.PendingDecision
    ) -> Coroutine[Any, Any, Said] | None:
        """What asks for it; None for what can only be told."""
        if waiting.status == "waiting":
            return self._ask_permission(session_id, waiting)
        if waiting.status == "question" and self.shows_forms:
            return self._show_form(session_id, waiting)
        return None

    async def _ask_permission(self, session_id: str, waiting: e.PendingDecision) -> Said:
        call = Updates(session_id).of_waiting(waiting)
        chosen = await self.client.request_permission(
            session_id=session_id, tool_call=call, options=OPTIONS
        )
        return read_permission(chosen, waiting, self._by)

    async def _show_form(self, session_id: str, waiting: e.PendingDecision) -> Said:
        filled = await self.client.create_elicitation(
            message=waiting.reason, mode=make_form(session_id)
        )
        return read_form(filled, waiting, self._by)

    async def _decide(self, waiting: e.PendingDecision, asking: Coroutine[Any, Any, Said]) -> bool:
        """Write what the person says. Whether it is decided: by them, or elsewhere meanwhile."""
        place = (waiting.thread_id, waiting.id)
        self._asked.add(place)
        try:
            log = await require_log(waiting.thread_id, open_store(self._agent.store), World())
            said = await unless_decided(asking, waiting, log)
            if said is not None:
                with contextlib.suppress(IllegalEvent):  # somebody was faster, in another window
                    await self._agent.post(waiting.thread_id, said)
            await log.refresh()
        finally:
            self._asked.remove(place)
        return not is_open(waiting, log.state)
