"""A talk of 300 turns with large tool results: what each way of keeping a history still knows, and what it costs.

    python benchmarks/long_talk.py                  the tables, and the plot at docs/long-talk.svg; two minutes
    python benchmarks/long_talk.py --no-plot

The talk is the same each time. In it the user and the tools say facts (names, numbers, decisions, open tasks); some
are corrected 20 turns later; each is asked about 1, 10, 50, 100 and 250 turns after it was said. Every turn calls a
tool, whose result has 2 to 20 KB.

The model is a READER, a function of the request and of nothing else. It answers a question if the fact stands in its
prompt, with what stands there last. It writes summaries as a good model with limited room does: all facts that it
is shown, the latest of each, and where they don't fit, the oldest go. A FORGETFUL reader also loses one fact in 20 each
time it writes the summary. So this shows what a history lets a model know. It can't show that a real one finds it
there, nor that a real one writes summaries as good.
"""

import asyncio
import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from zlib import crc32

from treadle import Agent, ContextWindow, Limits, MemoryStore, tool
from treadle.core.events import Call, ContextCompacted, Text
from treadle.core.model import Message, Reply, Request
from treadle.core.transcript import SUMMARY_INSTRUCTIONS
from treadle.models.request_rules import find_faults
from treadle.models.scripted import ScriptedModel, calls, says

CONTEXT_TOKENS, OUTPUT_TOKENS = 16_384, 2048
AGES = (1, 10, 50, 100, 250)
INSTRUCTIONS = "You keep the books of many places. Look up what you are asked about."
PLOT = Path(__file__).resolve().parent.parent / "docs" / "long-talk.svg"

# --- facts, and how they are said and asked
# --------------------------------------------------------------------

SENTENCES = {
    "name": "The contact at {place} is {value}.",
    "number": "The budget of {place} is {value}.",
    "decision": "We decided for {place} that {value}.",
    "task": "Still to do for {place}: {value}.",
}
QUESTIONS = {
    "name": "Who is the contact at {place}?",
    "number": "What is the budget of {place}?",
    "decision": "What did we decide for {place}?",
    "task": "What is still to do for {place}?",
}
_STATED = re.compile(
    "|".join(
        f"(?P<{kind}>{re.escape(said).replace(re.escape('{place}'), place).replace(re.escape('{value}'), value)})"
        for kind, said in SENTENCES.items()
        for place, value in [(f"(?P<{kind}_place>[A-Z][a-z]+)", f"(?P<{kind}_value>[^.\n]+)")]
    )
)
_ASKED = {
    kind: re.compile(re.escape(text).replace(re.escape("{place}"), "([A-Z][a-z]+)"))
    for kind, text in QUESTIONS.items()
}
_ANSWER = re.compile(r"^(\w+) of ([A-Z][a-z]+) = (.*)$", re.M)
Key = tuple[str, str]
"""Kind and place."""


@dataclass(frozen=True)
class Fact:
    kind: str
    place: str
    value: str
    turn: int
    """In which it is said."""
    source: str
    """`user`, `asked` (found by a tool and said by the model) or `passing` (stands in a result, and nobody says it)."""

    @property
    def key(self) -> Key:
        return self.kind, self.place

    @property
    def text(self) -> str:
        return SENTENCES[self.kind].format(place=self.place, value=self.value)


@cache
def facts_in(text: str) -> dict[Key, str]:
    """What is stated there; the last statement of each."""
    found: dict[Key, str] = {}
    for match in _STATED.finditer(text):
        kind = match.lastgroup and next(k for k in SENTENCES if match[k])
        assert kind
        place = match[f"{kind}_place"]
        found.pop((kind, place), None)
        found[kind, place] = match[f"{kind}_value"]
    return found


# --- the talk
# ---------------------------------------------------------------------------------------------------

SYLLABLES = re.findall("..", "badefigohukaleminopurasetivowuzaloremysin")
WORDS = "the warp runs over beams while thread and weft keep their tension as shafts lift in order of pattern".split()  # noqa: SIM905
FIRST = "Ann Bo Cy Dee Eli Fay Gus Hal Ida Jon Kay Lou Mae Ned Ola Pip Ray Sue Tom Una".split()  # noqa: SIM905
LAST = "Okafor Lindqvist Marsh Tanaka Weber Novak Silva Haddad Berg Costa Dlamini Ito Kaya Lee Moreau Ortiz".split()  # noqa: SIM905
DECIDE = (
    "oak goes in",
    "we rent",
    "the north door is used",
    "two shifts run",
    "we pay in May",
    "stone stays",
)
DO = (
    "call the printer",
    "send the certificate",
    "agree the fire drill",
    "order new heddles",
    "ask for a permit",
)


@dataclass(frozen=True)
class Turn:
    said: str
    results: tuple[str, ...]
    """Of the pages that are looked up in it: one, two at once, or two one after the other."""
    asked: tuple[tuple[Fact, int], ...]
    """Facts asked about, as they are true now, and the age of each in turns."""


@dataclass(frozen=True)
class Talk:
    turns: tuple[Turn, ...]
    facts: int


def talk(
    turns: int, facts: int, kilobytes: tuple[int, int] = (2, 20), ages: Sequence[int] = AGES
) -> Talk:
    """So many turns with so many facts, spread evenly, the same each time."""
    chance = random.Random(17)
    said = list(_facts(turns, facts, chance))
    by_turn: dict[int, list[Fact]] = {}
    for fact in said:
        by_turn.setdefault(fact.turn, []).append(fact)
    asked: dict[int, list[tuple[Fact, int]]] = {}
    for fact in said:
        for age in ages:
            now = [
                other for other in said if other.key == fact.key and other.turn <= fact.turn + age
            ]
            if fact.turn + age < turns and fact is _first(said, fact.key):
                asked.setdefault(fact.turn + age, []).append((now[-1], age))
    made = tuple(
        _turn(n, by_turn.get(n, []), asked.get(n, []), kilobytes, chance) for n in range(turns)
    )
    return Talk(made, facts)


def _first(said: Sequence[Fact], key: Key) -> Fact:
    return next(fact for fact in said if fact.key == key)


def _facts(turns: int, count: int, chance: random.Random) -> Iterator[Fact]:
    places = sorted({"".join(chance.sample(SYLLABLES, 3)).capitalize() for _ in range(count * 3)})
    chance.shuffle(places)
    for number in range(count):
        kind = list(SENTENCES)[number % 4]
        source = ("user", "user", "asked", "user", "passing")[number % 5]
        turn = number * turns // count
        yield Fact(kind, places[number], _value(kind, chance), turn, source)
        if source == "user" and number % 6 == 1 and turn + 20 < turns:
            yield Fact(kind, places[number], _value(kind, chance), turn + 20, source)  # corrected


def _value(kind: str, chance: random.Random) -> str:
    match kind:
        case "name":
            return f"{chance.choice(FIRST)} {chance.choice(LAST)}"
        case "number":
            return f"{chance.randrange(10_000, 99_999):,} euros"
        case "decision":
            return f"{chance.choice(DECIDE)}, by plan {chance.randrange(100, 999)}"
    return f"{chance.choice(DO)}, form {chance.randrange(100, 999)}"


def _turn(
    number: int,
    facts: Sequence[Fact],
    asked: Sequence[tuple[Fact, int]],
    kilobytes: tuple[int, int],
    chance: random.Random,
) -> Turn:
    pages = _pages(number)
    lines = [f"Look up {' and '.join(map(str, pages))}{' at once' if number % 4 == 1 else ''}."]
    lines += [fact.text for fact in facts if fact.source == "user"]
    lines += [f"Report what it says of {fact.place}." for fact in facts if fact.source == "asked"]
    lines += [QUESTIONS[fact.kind].format(place=fact.place) for fact, _ in asked]
    found = [fact for fact in facts if fact.source != "user"]
    results = tuple(
        _result(page, found if page % 10 == 0 else [], kilobytes, chance) for page in _pages(number)
    )
    return Turn("\n".join(lines), results, tuple(asked))


def _pages(turn: int) -> list[int]:
    return [turn * 10 + index for index in range(1 if turn % 4 in (0, 3) else 2)]


def _result(
    page: int, facts: Sequence[Fact], kilobytes: tuple[int, int], chance: random.Random
) -> str:
    size = chance.randrange(kilobytes[0] * 1000, kilobytes[1] * 1000)
    words, length = [], 0
    while length < size:
        words.append(chance.choice(WORDS))
        length += len(words[-1]) + 1
    for fact in facts:
        words.insert(chance.randrange(len(words)), f"\n{fact.text}\n")
    return f"Page {page}. " + " ".join(words)


# --- the reader: a function of the request
# ----------------------------------------------------------------------


def read(request: Request, forgets: int = 0) -> Reply:
    """What a model that sees this alone says.

    With `forgets`, its summaries lose one fact in so many.
    """
    if request.messages[0].text == SUMMARY_INSTRUCTIONS:
        return says(_summarise(request, forgets))
    start = max(index for index, message in enumerate(request.messages) if message.role == "user")
    # A summary before the question is in one message with it.
    own = request.messages[start].text.rpartition("\n\n")[2]
    since = request.messages[start + 1 :]
    wanted = [{"page": int(page)} for page in re.findall(r"\b\d+\b", own.splitlines()[0])]
    called = [call.arguments for message in since for call in message.calls]
    if not called or json.dumps(wanted[-1]) not in called:
        return calls(
            *(
                ("look_up", page)
                for page in (wanted if "at once" in own else wanted[len(called) :][:1])
            )
        )
    known: dict[Key, str] = {}
    for message in request.messages:
        known |= facts_in(message.text)
    answers = [
        f"{kind} of {place} = {known.get((kind, place), '?')}"
        for kind, pattern in _ASKED.items()
        for place in pattern.findall(own)
    ]
    reported = set(re.findall(r"Report what it says of ([A-Z][a-z]+)", own))
    results = [message.text for message in since if message.role == "tool"]
    found = [each for text in results for each in facts_in(text).items()]
    said = [_sentence(key, value) for key, value in found if key[1] in reported]
    return says("\n".join(["I have read it.", *said, *answers]))


def _summarise(request: Request, forgets: int) -> str:
    lines = [_sentence(key, value) for key, value in facts_in(request.messages[1].text).items()]
    if forgets:
        lines = [line for line in lines if crc32((line + str(request.tokens)).encode()) % forgets]
    room = int(request.max_output_tokens * 3.5) - 50
    while lines and sum(len(line) + 1 for line in lines) > room:
        lines.pop(0)
    return "\n".join(lines) or "Nothing to keep."


def _sentence(key: Key, value: str) -> str:
    return SENTENCES[key[0]].format(place=key[1], value=value)


# --- the ways to keep a history
# ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """What came of one way."""

    answers: list[str]
    """The last reply of each turn."""
    requests: list[Request]
    turns: list[int]
    """In which each request was made."""
    cuts: int = 0


def with_treadle(
    talk: Talk, memory: ContextWindow, forgets: int = 0, context_tokens: int = CONTEXT_TOKENS
) -> Kept:
    """An Agent with this memory. Its model refuses what is illegal; the caller counts."""

    @tool(read_only=True, max_chars=100_000)
    def look_up(page: int) -> str:
        """Look a page up."""
        return talk.turns[page // 10].results[page % 10]

    read_so = partial(read, forgets=forgets)
    model = ScriptedModel(
        [read_so] * len(talk.turns) * 8,
        context_tokens=context_tokens,
        max_output_tokens=OUTPUT_TOKENS,
    )
    agent = Agent(
        INSTRUCTIONS,
        tools=[look_up],
        model=model,
        context_window=memory,
        store=MemoryStore(),
        limits=Limits(tokens=None),
    )
    answers, turns, cuts = [], [], 0

    async def all_turns() -> None:
        nonlocal cuts
        for number, turn in enumerate(talk.turns):
            result = await agent.run(turn.said, thread="talk")
            answers.append(result.answer)
            turns.extend([number] * (len(model.seen) - len(turns)))
            cuts += sum(isinstance(record.event, ContextCompacted) for record in result.records)

    asyncio.run(all_turns())
    return Kept(answers, model.seen, turns, cuts)


Window = Callable[[list[Message]], list[Message]]


def by_hand(talk: Talk, window: Window) -> Kept:
    """The loop as people write it: a list of messages, and a function that says which of them are sent.

    The reader answers whatever it is sent, also where a provider would refuse: the caller counts how often.
    """
    history: list[Message] = []
    answers: list[str] = []
    requests: list[Request] = []
    turns: list[int] = []
    for number, turn in enumerate(talk.turns):
        history.append(Message("user", turn.said))
        while True:
            shown = (Message("system", INSTRUCTIONS), *window(history))
            requests.append(Request(shown, (), OUTPUT_TOKENS))
            turns.append(number)
            reply = read(requests[-1])
            made = tuple(
                Call(f"{len(requests)}_{i}", c.name, c.arguments) for i, c in enumerate(reply.calls)
            )
            history.append(Message("assistant", (Text(reply.text), *made)))
            if not made:
                break
            history += [_looked_up(turn, call) for call in made]
        answers.append(reply.text)
    return Kept(answers, requests, turns)


def _looked_up(turn: Turn, call: Call) -> Message:
    return Message("tool", turn.results[json.loads(call.arguments)["page"] % 10], call_id=call.id)


def everything(history: list[Message]) -> list[Message]:
    return history


def last_50(history: list[Message]) -> list[Message]:
    return history[-50:]


def last_50_repaired(history: list[Message]) -> list[Message]:
    """Without results whose call is gone."""
    shown = history[-50:]
    while shown[0].role == "tool":
        shown = shown[1:]
    return shown


def newest_that_fit(history: list[Message]) -> list[Message]:
    """The newest messages that fit the context, repaired."""
    room, start = CONTEXT_TOKENS - OUTPUT_TOKENS - 100, len(history)
    while start and room >= history[start - 1].tokens:
        start -= 1
        room -= history[start].tokens
    while start < len(history) - 1 and history[start].role == "tool":
        start += 1
    return history[start:]


# --- what is measured
# -------------------------------------------------------------------------------------------


def asked_and_right(talk: Talk, kept: Kept) -> Iterator[tuple[Fact, int, str]]:
    """Each question's fact, its age, and `right`, `stale` or `unknown`."""
    for turn, answer in zip(talk.turns, kept.answers, strict=True):
        given = {(kind, place): value for kind, place, value in _ANSWER.findall(answer)}
        for fact, age in turn.asked:
            value = given.get(fact.key, "?")
            yield (
                fact,
                age,
                "right" if value == fact.value else "unknown" if value == "?" else "stale",
            )


def share(talk: Talk, kept: Kept, wanted: Callable[[Fact, int], bool]) -> str:
    outcomes = [outcome for fact, age, outcome in asked_and_right(talk, kept) if wanted(fact, age)]
    return f"{outcomes.count('right') / len(outcomes):.0%}" if outcomes else "-"


def is_summary(request: Request) -> bool:
    return request.messages[0].text == SUMMARY_INSTRUCTIONS


def same_beginning(requests: Sequence[Request]) -> float:
    """The share of all bytes sent with which the request before of the same kind had begun too."""
    same = whole = 0
    for kind in (True, False):
        before: tuple[Message, ...] = ()
        for request in (request for request in requests if is_summary(request) is kind):
            growing = True
            for index, message in enumerate(request.messages):
                growing = growing and index < len(before) and before[index] == message
                whole += len(message.said)
                same += len(message.said) * growing
            before = request.messages
    return same / whole


def illegal(request: Request) -> bool:
    return bool(find_faults(request))


def too_large(request: Request) -> bool:
    return request.tokens + request.max_output_tokens > CONTEXT_TOKENS


def row(name: str, talk: Talk, kept: Kept) -> list[str]:
    steps = [request for request in kept.requests if not is_summary(request)]
    summaries = [request for request in kept.requests if is_summary(request)]
    ages = [
        share(talk, kept, lambda fact, age, wanted=age: fact.source != "passing" and age == wanted)
        for age in AGES
    ]
    sent = sum(request.tokens for request in kept.requests)
    return [
        name,
        *ages,
        share(talk, kept, lambda fact, age: fact.source == "passing" and age >= 50),
        f"{sent / 1e6:.2f}",
        f"{max(request.tokens for request in steps):,}",
        f"{sum(map(illegal, kept.requests))}",
        f"{sum(map(too_large, kept.requests))}",
        f"{same_beginning(kept.requests):.0%}",
        f"{kept.cuts}, {len(summaries)} ({sum(request.tokens for request in summaries):,})"
        if kept.cuts
        else "-",
    ]


HEAD = [
    "history",
    *(f"after {age}" for age in AGES),
    "in passing, after 50+",
    "tokens sent, M",
    "largest",
    "illegal",
    "too large",
    "same beginning",
    "cuts, summaries (tokens)",
]


def table(rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for cells in rows[1:]:
        print("| " + " | ".join(cells) + " |", flush=True)


# --- the plot
# ---------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 400, 96, 12, 20, 90
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff } .grid { stroke: #d1d9e0; stroke-width: 1 } .axis { stroke: #59636e; stroke-width: 1 }
.line { fill: none; stroke-width: 1.6 } .a { stroke: #0969da } .b { stroke: #bc4c00 } .d { stroke: #8250df }
.c { stroke: #59636e; stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .paper { fill: #0d1117 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 }
  .a { stroke: #4493f8 } .b { stroke: #f0883e } .d { stroke: #ab7df8 } .c { stroke: #9198a1 }
}
"""


def svg(lines: Sequence[tuple[str, str, Sequence[tuple[float, float]]]], turns: int) -> str:
    """Lines of (class, name, points of turn and tokens), tokens on a logarithmic scale from 1,000 to 2,000,000."""

    def x(turn: float) -> float:
        return LEFT + turn / turns * (WIDTH - LEFT - RIGHT)

    def y(tokens: float) -> float:
        return TOP + math.log10(2_000_000 / max(1000.0, tokens)) / math.log10(2000) * (
            HEIGHT - TOP - BOTTOM
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' aria-label="Tokens per request against the turn of the talk">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
    ]
    for tokens in (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000):
        at = f"{y(tokens):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y(tokens) + 4:.1f}" text-anchor="end">{tokens:,}</text>'
        )
    floor = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>')
    for turn in range(0, turns + 1, 50):
        parts.append(f'<text x="{x(turn):.1f}" y="{floor + 18}" text-anchor="middle">{turn}</text>')
    middle = (TOP + floor) / 2
    parts.append(f'<text x="{x(turns / 2):.1f}" y="{floor + 38}" text-anchor="middle">turn</text>')
    parts.append(
        f'<text transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">tokens per request</text>'
    )
    for index, (kind, name, points) in enumerate(lines):
        drawn = " ".join(f"{x(turn):.1f},{y(tokens):.1f}" for turn, tokens in points)
        parts.append(f'<polyline class="line {kind}" points="{drawn}"/>')
        at, row = LEFT + index % 2 * 340, HEIGHT - 32 + index // 2 * 20
        parts.append(f'<line class="line {kind}" x1="{at}" x2="{at + 26}" y1="{row}" y2="{row}"/>')
        parts.append(f'<text x="{at + 34}" y="{row + 4}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def points(kept: Kept) -> list[tuple[float, float]]:
    """The last request of each turn that isn't for a summary."""
    last = {
        turn: request
        for turn, request in zip(kept.turns, kept.requests, strict=True)
        if not is_summary(request)
    }
    return [(turn, request.tokens) for turn, request in last.items()]


def main() -> None:
    whole = talk(300, 90)
    print(f"300 turns, {whole.facts} facts, {sum(len(turn.asked) for turn in whole.turns)} questions,"
          f" {sum(len(text) for turn in whole.turns for text in turn.results) / 1e6:.1f} MB of tool results,"
          f" a context of {CONTEXT_TOKENS:,} tokens\n")  # fmt: skip
    kept = {
        "ContextWindow()": with_treadle(whole, ContextWindow()),
        "ContextWindow(max_messages=50, summarize=False)": with_treadle(
            whole, ContextWindow(max_messages=50, summarize=False)
        ),
        "last 50 messages": by_hand(whole, last_50),
        "last 50, repaired": by_hand(whole, last_50_repaired),
        "newest that fit, repaired": by_hand(whole, newest_that_fit),
        "everything": by_hand(whole, everything),
    }
    table([HEAD, *(row(name, whole, one) for name, one in kept.items())])
    print(
        "\nContextWindow() with more facts, and with a reader that forgets one in 20 at each summary\n"
    )
    rows = [HEAD]
    for facts in (90, 180, 360):
        more = talk(300, facts)
        rows.append(row(f"{facts} facts", more, with_treadle(more, ContextWindow())))
        rows.append(
            row(f"{facts} facts, forgetful", more, with_treadle(more, ContextWindow(), forgets=20))
        )
    table(rows)
    if "--no-plot" not in sys.argv:
        lines = [
            ("a", "ContextWindow(), Treadle's default", points(kept["ContextWindow()"])),
            ("b", "the last 50 messages", points(kept["last 50 messages"])),
            ("d", "everything", points(kept["everything"])),
            (
                "c",
                f"the model's context, {CONTEXT_TOKENS:,}",
                [(0, CONTEXT_TOKENS), (300, CONTEXT_TOKENS)],
            ),
        ]
        PLOT.write_text(svg(lines, 300))


if __name__ == "__main__":
    main()
