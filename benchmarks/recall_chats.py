"""How much of what was said in long chats is found again. recall_chats.jsonl has the chats and questions about them.

Six chats of 230 to 350 messages over months, and questions with the messages that answer them, written for this
project before any change to the search was tried on them. Three chats are for tuning, three are held out. The figure
is the share of the answering messages among ten hits, the mean over the questions. The questions are about as hard as
those of public chats: words found 54 % of the answers here when the set was made, and 57 % there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from treadle.core.events import Record, UserSaid
from treadle.notes.embedder import Embedder
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore
from treadle.notes.search import Query
from treadle.notes.search import search as search_notes
from treadle.runtime.search_history import search as search_passages
from treadle.runtime.search_history import split_passages

SET = Path(__file__).with_name("recall_chats.jsonl")
HALVES = ("tuned", "held out")
HITS = 10

Find = Callable[[str], Awaitable[list[int]]]
"""The messages found for a question, the best first."""


@dataclass(frozen=True)
class Message:
    number: int
    at: float
    who: str
    text: str

    @property
    def line(self) -> str:
        return f"{self.who}: {self.text}"


@dataclass(frozen=True)
class Chat:
    name: str
    half: str
    messages: list[Message] = field(default_factory=list)
    questions: list[tuple[str, frozenset[int]]] = field(default_factory=list)
    """Each question, and the numbers of the messages that answer it."""


def read() -> list[Chat]:
    chats: dict[str, Chat] = {}
    for row in map(json.loads, SET.read_text("utf8").splitlines()):
        name = row["chat"]
        if "half" in row:
            chats[name] = Chat(name, row["half"])
        elif "message" in row:
            at = datetime.fromisoformat(row["at"]).replace(tzinfo=UTC).timestamp()
            chats[name].messages.append(Message(row["message"], at, row["who"], row["text"]))
        else:
            chats[name].questions.append((row["question"], frozenset(row["messages"])))
    return list(chats.values())


async def as_notes(chat: Chat, embedder: Embedder | None) -> Find:
    """The chat as one note for each message; each day is a thread."""
    store = NoteStore(":memory:")
    numbers: dict[str, int] = {}
    for day, messages in groupby(chat.messages, lambda message: message.at // 86_400):
        thread = f"{chat.name}-{day:.0f}"
        for message in messages:
            note = Note("", message.line, "user", "", "user", thread, message.number, message.at)
            key = str(message.number)
            written = await store.write(note, key=key, now=message.at)
            numbers[written.note.id] = message.number
    now = chat.messages[-1].at

    async def find(question: str) -> list[int]:
        found = await search_notes(store, embedder, Query(question, None, now, HITS))
        return [numbers[hit.note.id] for hit in found.hits]

    return find


async def as_history(chat: Chat) -> Find:
    """The chat as one long thread, through its own search."""
    records = [
        Record(chat.name, message.number, message.at, UserSaid(message.line))
        for message in chat.messages
    ]
    passages = list(split_passages(records))

    async def find(question: str) -> list[int]:
        return [passage.seq for passage in search_passages(passages, question, HITS)]

    return find


async def measure(chat: Chat, find: Find) -> list[float]:
    """For each question, the share of its messages that is found."""
    shares = []
    for question, answers in chat.questions:
        found = set((await find(question))[:HITS])
        shares.append(len(found & answers) / len(answers))
    return shares


async def compare(embedders: dict[str, Embedder]) -> None:
    chats = read()
    questions = sum(len(chat.questions) for chat in chats)
    messages = sum(len(chat.messages) for chat in chats)
    print(f"\n{len(chats)} chats, {messages} messages, {questions} questions; among {HITS} hits\n")
    print("| found by | tuned on | held out | all |")
    print("|---|---|---|---|")
    ways: dict[str, Callable[[Chat], Awaitable[Find]]] = {
        "notes by words": lambda chat: as_notes(chat, None),
        "a thread's own history": as_history,
    }
    for name, embedder in embedders.items():
        ways[f"notes by words and meaning ({name})"] = lambda chat, embedder=embedder: as_notes(
            chat, embedder
        )
    for name, make in ways.items():
        shares: dict[str, list[float]] = {half: [] for half in HALVES}
        for chat in chats:
            shares[chat.half] += await measure(chat, await make(chat))
        everything = [share for half in HALVES for share in shares[half]]
        cells = [f"{100 * sum(some) / len(some):.1f} %" for some in (*shares.values(), everything)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    from treadle.notes.local_embedder import LocalEmbedder

    asyncio.run(compare({"local": LocalEmbedder()}))
