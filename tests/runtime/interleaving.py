"""One thread in virtual time, by a seed: a model at work, people who talk into it, processes that die.

`python tests/runtime/interleaving.py 10000` plays so many seeds, `... --seed 7` one.
"""

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import chat_server
import messages_server
import responses_server
from fakes import Door, live, world
from treadle import (
    Agent,
    ApprovalGiven,
    Context,
    Limits,
    MemoryStore,
    OutcomeDecided,
    UserSaid,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import (
    Fenced,
    IllegalEvent,
    ModelUnavailable,
    SeqTaken,
    TurnOpen,
    UnknownThread,
)
from treadle.core.model import Reply, Request
from treadle.core.state import OPEN_PHASES, State, apply
from treadle.core.waits import find_waits
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.chat.dialect import CHAT
from treadle.models.dialect import RequestFields
from treadle.models.responses.accepted_fields import find_accepted_fields
from treadle.models.responses.dialect import RESPONSES
from treadle.runtime.log import open_log
from treadle.tools.ask import ask_user

THREAD = "t"
ENDLESS = Limits(
    steps=None, tool_calls=None, tokens=None, seconds=None, repeats=None, model_tries=99
)
MOST_REPLIES = 14
"""So many replies may ask for tools."""


class Process(Door):
    """A process that dies at one of its appends, before or after it is written; or never."""

    def __init__(self, inner: MemoryStore, chance: random.Random, dies: bool) -> None:
        super().__init__(inner)
        self._left = chance.randint(1, 14) if dies else -1
        self._writes_last = chance.random() < 0.5

    async def append(self, thread_id: str, rows: Any) -> None:
        self._left -= 1
        if self._left == 0:
            if self._writes_last:
                await super().append(thread_id, rows)
            self.kill()
        await super().append(thread_id, rows)

    def attend(self, claim: str) -> Any:
        return self.inner.attend(claim)

    def find_beat(self, claim: str) -> int | None:
        return self.inner.find_beat(claim)

    def version(self) -> int:
        return self.inner.version()

    def last_seqs(self, thread_ids: Any) -> dict[str, int]:
        return self.inner.last_seqs(thread_ids)


@dataclass
class Play:
    """What happens, and what was seen of it."""

    chance: random.Random
    store: MemoryStore = field(default_factory=MemoryStore)
    requests: list[Request] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refunded: list[str] = field(default_factory=list)
    """The idempotency keys with which refunds ran."""
    is_late: bool = False
    """Everybody has said what they had to say."""
    replies: int = 0
    number: int = 0

    def agent(self, dies: bool = False) -> Agent:
        """One in a process of its own."""
        process: Any = Process(self.store, self.chance, dies)

        @tool
        async def look(n: int) -> str:
            "Look."
            await asyncio.sleep(self.chance.random() / 4)
            return f"looked {n}"

        @tool(needs_approval=True)
        async def refund(n: int, context: Context) -> str:
            "Refund."
            await asyncio.sleep(self.chance.random() / 10)
            self.refunded.append(context.idempotency_key)
            return f"refunded {n}"

        @tool(background=True)
        async def report(n: int) -> str:
            "Report."
            await asyncio.sleep(self.chance.random() * 2)
            if self.chance.random() < 0.1:
                raise ValueError("no report")
            return f"reported {n}"

        return Agent(
            "Be brief.",
            tools=[look, refund, report, ask_user],
            model=Model(self),
            store=process,
            world=world(),
            limits=ENDLESS,
        )


@dataclass
class Model:
    """Asks for tools at random, and at last answers."""

    play: Play
    name: str = "m"
    context_tokens: int = 1_000_000
    max_output_tokens: int = 1000

    def cost_usd(self, usage: Any) -> float:
        return 0.0

    async def reply(self, request: Request, emit: Any) -> Reply:
        play = self.play
        play.requests.append(request)
        await asyncio.sleep(play.chance.random() / 2)
        if play.chance.random() < 0.1:
            raise ModelUnavailable("busy", retry_after_s=play.chance.random())
        play.replies += 1
        emit("so")
        if play.replies > MOST_REPLIES or play.chance.random() < 0.4:
            return Reply(f"answer {play.replies}")
        names = play.chance.sample(
            ["look", "refund", "report", "ask_user"], play.chance.randint(1, 2)
        )
        return Reply(tuple(self._call(index, name) for index, name in enumerate(names)))

    def _call(self, index: int, name: str) -> e.Call:
        arguments = {"n": self.play.chance.randint(1, 2)}
        if name == "ask_user":
            arguments = {"question": f"which {arguments['n']}?"}
        return e.Call(f"c{index}", name, json.dumps(arguments))


async def play_out(play: Play) -> None:
    """The whole of it: driver, people, whoever decides, whoever sweeps; then all comes to its end."""
    driver = asyncio.ensure_future(begin(play))
    people = [asyncio.ensure_future(talk(play)) for _ in range(play.chance.randint(1, 5))]
    deciding = asyncio.ensure_future(decide_now_and_then(play))
    sweeping = asyncio.ensure_future(sweep(play))
    await asyncio.gather(driver, *people)
    play.is_late = True  # to cancel them would cancel the turn that they drive
    await asyncio.gather(deciding, sweeping)
    if begun := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(begun)  # by `start`
    for _ in range(60):
        if await is_over(play):
            return
        await life(play, play.agent().resume(THREAD))
        await decide_all(play)
    raise AssertionError("it came to no end")


async def life(play: Play, work: Coroutine[Any, Any, Any]) -> Any:
    """What came of the work of one process: None where it died, or another has taken the thread."""
    try:
        return await work
    except (Fenced, SeqTaken, TurnOpen):
        return None
    except BaseException as error:
        if type(error).__name__ == "Died":
            return None
        raise


async def begin(play: Play) -> None:
    play.accepted.append("begin")
    while not (await open_log(THREAD, play.store, world())).records:
        await life(play, play.agent(dies=play.chance.random() < 0.5).run("begin", thread=THREAD))


async def talk(play: Play) -> None:
    """A person who says one thing, in one of all ways."""
    play.number += 1
    text = f"message-{play.number}."
    await asyncio.sleep(play.chance.random() * 4)
    agent = play.agent()
    how = play.chance.choice(("steer", "twice", "post", "run", "run_steer", "run_queue", "start"))
    try:
        match how:
            case "steer":
                await go_on(play, await agent.steer(THREAD, text))
            case "twice":
                both = (play.agent().steer(THREAD, text, key=text) for _ in range(2))
                for steered in await asyncio.gather(*both):
                    await go_on(play, steered)
            case "post":
                await go_on(play, await agent.post(THREAD, UserSaid(text)))
            case "run":
                await agent.run(text, thread=THREAD)
            case "run_steer":
                await agent.run(text, thread=THREAD, when_busy="steer")
            case "run_queue":
                await agent.run(text, thread=THREAD, when_busy="queue")
            case "start":
                await agent.start(text, thread=THREAD, when_busy="steer")
    except (TurnOpen, UnknownThread):
        return  # it wasn't accepted
    except Fenced:
        pass
    play.accepted.append(text)


async def go_on(play: Play, steered: Any) -> None:
    if steered.to_resume and play.chance.random() < 0.8:  # else a sweep finds it
        await life(play, play.agent(play.chance.random() < 0.3).resume(steered.to_resume))


async def decide_now_and_then(play: Play) -> None:
    while not play.is_late:
        await asyncio.sleep(play.chance.random() * 1.5)
        await decide_all(play)


async def decide_all(play: Play) -> None:
    """A person decides on what waits, as the log says."""
    log = await open_log(THREAD, play.store, world())
    for pending in find_waits(log.state, THREAD):
        decision: Any = ApprovalGiven(pending.id, play.chance.random() < 0.8, "ann")
        if pending.status == "question":
            decision = UserSaid("blue", answers=pending.id)
        elif pending.status == "unknown":
            outcome: Any = play.chance.choice(("ran", "tell"))  # it may have run
            decision = OutcomeDecided(pending.id, outcome, "ann")
        elif pending.status == "parked":
            decision = ApprovalGiven("", True, "ann")
        try:
            await play.agent().post(THREAD, decision)
        except IllegalEvent:
            continue


async def sweep(play: Play) -> None:
    """Whoever resumes what is due, as a service does."""
    while not play.is_late:
        await asyncio.sleep(1.0)
        for name in await play.agent().due():
            await life(play, play.agent(dies=play.chance.random() < 0.3).resume(name))


async def is_over(play: Play) -> bool:
    log = await open_log(THREAD, play.store, world())
    return log.state.phase not in OPEN_PHASES


def check(play: Play, records: list[e.Record]) -> None:
    """What must be true whatever came when."""
    said = Counter(
        record.event.text
        for record in records
        if isinstance(record.event, UserSaid) and not record.event.answers
    )
    for text in play.accepted:
        assert said[text] == 1, f"{text} is {said[text]} times in the log"
    shown = [shown_texts(request) for request in play.requests]
    for text in said:
        assert max(count[text] for count in shown) == 1, f"{text} was shown twice, or never"
        assert shown[-1][text] == 1, f"{text} isn't in the last prompt"
    state = State()
    for record in records:
        if record.event == e.TurnEnded("answered"):
            assert state.turn, record
            assert not state.turn.has_news, f"unseen at the end: {record.seq}"
            assert not state.turn.calls, f"open at the end: {record.seq}"
        state = apply(state, record)
    assert len(set(play.refunded)) == len(play.refunded), "a refund ran twice"
    allowed = sum(
        isinstance(record.event, ApprovalGiven) and record.event.allowed for record in records
    )
    assert len(play.refunded) <= allowed
    for request in play.requests:
        faults = list(find_faults(request))
        assert not faults, faults


def shown_texts(request: Request) -> Counter[str]:
    """How often each message of a person stands in the prompt."""
    words = (
        word
        for message in request.messages
        if message.role == "user"
        for word in message.text.split("\n\n")
    )
    return Counter(words)


def find_faults(request: Request) -> Iterator[str]:
    """What the provider of each dialect refuses of it."""
    for dialect, model, host in (
        (CHAT, "gpt-5-mini", "api.openai.com"),
        (RESPONSES, "gpt-5-mini", "api.openai.com"),
        (MESSAGES, "claude-sonnet-5-5", "api.anthropic.com"),
    ):
        accepted = dialect.find_accepted(host, model)
        if dialect is RESPONSES:
            accepted = find_accepted_fields(host, model)
        body = json.loads(dialect.encode(request, RequestFields(model, accepted)))
        if dialect is CHAT:
            yield from chat_server.find_faults(body)
        elif dialect is MESSAGES:
            yield from messages_server.find_body_faults(body)
        else:
            try:
                responses_server.Strict([]).judge(body)
            except responses_server.Refused as refused:
                yield str(refused)


def play(seed: int) -> list[e.Record]:
    """Play this seed to its end, and check it. Raises AssertionError."""
    made = Play(random.Random(seed))

    async def whole() -> list[e.Record]:
        await play_out(made)
        return (await open_log(THREAD, made.store, world())).records

    records = live(whole())
    check(made, records)
    return records


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.count)
    if given.seed is not None:
        seeds = range(given.seed, given.seed + 1)
    counts: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        try:
            records = play(seed)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or len(seeds) == 1:
                raise
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            continue
        counts.update(type(record.event).__name__ for record in records)
        counts["steers"] += sum(isinstance(r.event, UserSaid) and r.event.steers for r in records)
    print(f"{len(seeds)} interleavings, {len(failed)} failed; events: {dict(counts)}")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
