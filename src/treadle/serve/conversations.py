"""Which thread a history goes on with that a chat client sends again, whole, with each request.

1. Each message of a person's has a key: the digest of whose it is and of all that was said up to
   it, as the client sent it. By the key of the message before, the thread is found, through the
   store's index. So two people who begin with the same words never meet.
2. A thread goes on where the history ends with its last turn. Where it has gone on already, the
   history was edited, or there are several such threads: a fork goes on.
3. A history that no thread has becomes one: it is imported.
4. The same request again is the same turn, as a client that tries again means it. Once a client had
   the whole answer it means another one, in a fork; but not where the turn changed something. A
   turn that has failed goes on where it can; else the request means another one, too.
5. Where the client names the thread, a message of its own once more is another one, in that thread.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from ..core import events as e
from ..core.errors import UnknownThread, UsageError
from ..core.result import Result
from ..models.chat.read_message import ChatMessage, read_message
from ..runtime.agent import Agent
from ..runtime.log import Log
from ..runtime.require_log import require_log
from ..runtime.world import World
from ..stores.store import Store
from .routes import BadRequest
from .said_turn import SaidTurn, find_turn, text_of_message

MAX_MESSAGES = 10_000
MAX_CANDIDATES = 50
MAX_DELIVERED = 10_000
"""Answers remembered as delivered. An older one counts as not yet had: it is given again."""
SYSTEM = "A system message of this conversation:\n{text}\n\n"


@dataclass(frozen=True)
class Place:
    """Where the last message of a history belongs."""

    thread_id: str | None
    """None: a new thread, which the key names."""
    key: str
    """That of the message."""
    after: int | None = None
    """The seq of the last record before what the request has added already; None: nothing."""


@dataclass(frozen=True)
class History:
    """What a client sent: all messages, read."""

    raw: Sequence[Any]
    messages: tuple[ChatMessage, ...]
    owner: str
    """Whose conversation it is: nobody else's thread goes on with it."""

    @property
    def last_reply(self) -> int:
        """The place of the last message of the assistant; -1 where there is none."""
        places = [n for n, each in enumerate(self.messages) if each.role == "assistant"]
        return places[-1] if places else -1

    @property
    def results(self) -> list[ChatMessage]:
        """The results of calls that came after the last reply."""
        return [each for each in self.messages[self.last_reply + 1 :] if each.role == "tool"]

    @property
    def system(self) -> str:
        """What the client says to the model beforehand."""
        texts = [text_of_message(each) for each in self.messages if each.role == "system"]
        return "\n\n".join(text for text in texts if text.strip())

    def said(self) -> e.UserSaid | None:
        """What the person said after the last reply; None where only results came."""
        parts = [
            part
            for each in self.messages[self.last_reply + 1 :]
            if each.role == "user"
            for part in each.parts
        ]
        if not parts:
            return None
        if all(isinstance(part, str) for part in parts):
            return e.UserSaid("\n\n".join(map(str, parts)), by=self.owner)
        return e.UserSaid(tuple(parts), by=self.owner)

    def key(self, end: int) -> str:
        """The key of the person's message that ends this many messages."""
        digest = blake2b(self.owner.encode(), digest_size=20)
        for each in self.messages[:end]:
            if each.role in ("user", "assistant"):
                said = msgspec.json.encode((each.role, each.parts, text_of_message(each)))
                digest.update(b"\0" + said)
        return f"chat:{digest.hexdigest()}"


def read_messages(raw: Any, owner: str) -> History:
    """The messages of a request. Raises BadRequest, which names the one that is wrong."""
    if not isinstance(raw, list) or not raw or len(raw) > MAX_MESSAGES:
        raise BadRequest("`messages` must be a list with at least one message")
    try:
        messages = tuple(
            read_message(each, f"message {number}") for number, each in enumerate(raw, 1)
        )
    except UsageError as error:
        raise BadRequest(str(error)) from None
    return History(raw, messages, owner)


class Conversations:
    """Finds threads by histories, and remembers which answers a client has had whole."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._delivered: dict[tuple[str, str], int] = {}
        """By thread and key, the seq of the last record that counted."""

    def deliver(self, place: Place, result: Result) -> None:
        """A client has had all that came of the message at this place so far."""
        seqs = [each.seq for each in result.records if each.thread_id == result.thread_id]
        self._delivered[result.thread_id, place.key] = max(seqs, default=0)
        if len(self._delivered) > MAX_DELIVERED:
            del self._delivered[next(iter(self._delivered))]

    async def place(self, agent: Agent, history: History) -> Place:
        """Where the last message goes, with its thread made ready for it."""
        key = history.key(len(history.messages))
        if again := await self._find_again(agent, key, history.owner):
            return again
        reply = history.last_reply
        if reply < 0:
            return await self._place_first(key, history.owner)
        before = _last_person(history.messages[:reply])
        said_key = history.key(before + 1)
        replies = history.messages[before + 1 : reply + 1]
        matching = [
            (log, turn)
            for log in await self._find(said_key, history.owner)
            if (turn := find_turn(log, said_key)) and turn.is_answered_by(replies)
        ]
        if not matching:
            made = await agent.import_history(history.raw[: reply + 1])
            return Place(made.thread_id, key)
        log, turn = matching[0]
        if len(matching) > 1 and turn.end is not None:
            turn = dataclasses.replace(turn, is_last=False)
        return await self._place_after(agent, log, turn, key)

    async def place_after(self, agent: Agent, owner: str, before: Place, key: str) -> Place:
        """Where a message goes that comes after the turn of another one. Raises BadRequest."""
        if again := await self._find_again(agent, key, owner):
            return again
        log = await require_log(before.thread_id or "", self._store, World())
        turn = find_turn(log, before.key)
        if turn is None or owner_of(log) != owner:
            raise UnknownThread(f"there is no thread {before.thread_id!r} with that response")
        return await self._place_after(agent, log, turn, key)

    async def _place_after(self, agent: Agent, log: Log, turn: SaidTurn, key: str) -> Place:
        """In the thread itself after its last turn, in a fork after an earlier one."""
        if turn.is_last:
            return Place(log.thread_id, key)
        made = await agent.fork(log.thread_id, at=turn.end)
        return Place(made.thread_id, key)

    async def _find_again(self, agent: Agent, key: str, owner: str) -> Place | None:
        """Where this very message was said, if its turn is what the client asks for again."""
        for log in await self._find(key, owner):
            if not self._is_told(log, key, agent):
                return Place(log.thread_id, key)
        return None

    async def _place_first(self, key: str, owner: str) -> Place:
        """The first message of a conversation: equal words begin another thread all the same."""
        thread_id = None
        if await self._find(key, owner):
            thread_id = World().new_id()
        return Place(thread_id, key)

    async def _find(self, key: str, owner: str) -> list[Log]:
        """The threads of this owner that have the message, the last written first."""
        infos = await self._store.threads(MAX_CANDIDATES, key=key)
        logs = [await require_log(info.thread_id, self._store, World()) for info in infos]
        return [log for log in logs if owner_of(log) == owner]

    def key_within(self, agent: Agent, log: Log, history: History) -> str:
        """The key of the last message, said in this thread.

        It may say the same words as one before: it is another message once the client has had the
        answer to that one, or its turn has failed.
        """
        key = history.key(len(history.messages))
        same = [each for each in _keys_of(log) if each == key or each.startswith(f"{key}_")]
        if not same:
            return key
        is_told = self._is_told(log, same[-1], agent)
        if history.last_reply < 0:  # it is no history that is sent again, but the message alone
            is_told = self._is_had(log, same[-1])
        return f"{key}_{len(same)}" if is_told else same[-1]

    def _is_had(self, log: Log, key: str) -> bool:
        """Whether the client has had the answer to this message, or never will: it has failed."""
        turn = find_turn(log, key)
        if turn is None or turn.has_failed:
            return True
        had = [self._delivered.get((log.thread_id, each), -1) for each in _keys_of(log)]
        return (log.thread_id, key) in self._delivered and max(had) >= turn.replied_seq

    def _is_told(self, log: Log, key: str, agent: Agent) -> bool:
        """Whether the same message once more asks for another answer."""
        if not self._is_had(log, key):
            return False
        read_only = {
            name for name, tool in agent.run_settings.policy.tools.items() if tool.read_only
        }
        turn = find_turn(log, key)
        return turn is None or all(name in read_only for name in turn.tools)


def owner_of(log: Log) -> str:
    """Whose conversation the thread is."""
    for record in log.records:
        if isinstance(record.event, e.UserSaid) and record.event.key.startswith("chat:"):
            return record.event.by
    return ""


def _keys_of(log: Log) -> list[str]:
    return [each.event.key for each in log.records if isinstance(each.event, e.UserSaid)]


def _last_person(messages: Sequence[ChatMessage]) -> int:
    """The place of the last message of a person's; -1 where there is none."""
    places = [n for n, each in enumerate(messages) if each.role == "user"]
    return places[-1] if places else -1
