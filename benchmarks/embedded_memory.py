"""What the embedded model keeps: how much of a prompt it needn't read again, and what its summaries hold.

    python benchmarks/embedded_memory.py              all three; ten minutes on two cores
    python benchmarks/embedded_memory.py summary      only the summary

cached   the share of prompt tokens that llama.cpp had read before, in a turn of ten steps and a talk of five turns
summary  a scripted conversation with 12 facts in it; the embedded model writes the summary when the window is full,
         and answers six questions from it

Nothing is asserted. A fact counts as kept if its words are in the summary.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from treadle import Agent, ContextWindow, Limits, MemoryStore, Result, Usage, tool
from treadle.core.events import ContextCompacted, ModelReplied
from treadle.core.model import Model, Reply, Request
from treadle.core.transcript import SUMMARY_INSTRUCTIONS
from treadle.models.local.local_model import LocalModel
from treadle.models.scripted import calls, says
from treadle.tools.calculator import calculator

E = TypeVar("E")
PAGES = [
    "Looms were set up by hand; a warp of 400 threads took a weaver two days.",
    "The treadle freed both hands, and cloth came off three times as fast.",
    "By 1790 the mill had 38 looms in two halls, and a school for the children.",
    "A fire took the east hall in 1803. It was rebuilt in brick within a year.",
    "Steam came in 1821. The treadles stayed in use for patterns in small numbers.",
    "The dye house stood by the river; its vats were emptied at night.",
    "Wages were paid on Fridays, by the ell, and chalked on a board.",
    "The last weaver who had learned on a treadle retired in 1907.",
    "The hall is a museum today, open from April to October.",
]

FACTS = {
    "Marta Lindqvist": "name",
    "Oduya": "name",
    "Harbour Street 14": "name",
    "48,210": "number",
    "17 March": "number",
    "TR-5582": "number",
    "35": "number",
    "PostgreSQL": "decision",
    "oak": "decision",
    "insurance certificate": "task",
    "call the printer": "task",
    "fire drill": "task",
}
TALK: Sequence[tuple[str, str]] = [
    ("Hello! I run a small museum and plan its reopening. Will you help me keep track?", "Gladly. Tell me more."),
    ("The architect is Marta Lindqvist, and the builder is a Mr Oduya.", "Noted: Lindqvist designs, Oduya builds."),
    ("Our address is Harbour Street 14. The budget is 48,210 euros.", "I have the address and the budget."),
    ("The reopening was to be on 3 March.", "3 March it is."),
    ("Correction: the reopening is on 17 March, not on 3 March.", "Understood, the date has moved to 17 March."),
    ("How were looms set up in the old mill?", ""),
    ("We decided to keep the visitors' data in PostgreSQL, since our helper knows it.", "A sound reason."),
    ("And we decided that the floor will be oak, because stone is too cold.", "Oak is warmer underfoot, yes."),
    ("Still to do: send the insurance certificate to the council, and call the printer about the leaflets.", "Two open"
     " tasks: the certificate for the council and the call to the printer."),
    ("The order number of the display cases is TR-5582. At most 35 visitors may be in the hall at a time.", "I have"
     " both."),
    ("One more thing still to do: agree the fire drill with Mr Oduya.", "That is on the list too."),
    ("What did steam change in the mill?", ""),
    ("What did the fire do?", ""),
    ("What do you know of the dye house?", ""),
    ("And how were wages paid?", ""),
    ("Who was the last weaver?", ""),
    ("When is the hall open today?", ""),
    ("What were the treadles used for in the end?", ""),
]  # fmt: skip
QUESTIONS = {
    "Who is the architect?": "lindqvist",
    "On which day is the reopening?": "17 march|march 17",
    "What is the budget?": "48,210|48210|48 210|48.210",
    "Which floor did we choose?": "oak",
    "Which tasks are still open? Name all.": "certificate&printer&drill",
    "What is the order number of the display cases?": "tr-5582",
}


@tool(read_only=True)
def read_page(page: int) -> str:
    """Read one page of the history of the mill, which has 9 pages."""
    following = f"Now read page {page + 1}." if page < len(PAGES) else "That was the last page."
    return f"Page {page} of {len(PAGES)}: {PAGES[page - 1]} {following}"


@tool(read_only=True)
def archive(topic: str) -> str:
    """Look a topic up in the archive of the mill."""
    return f"Archive of the mill, {topic}.\n" + " ".join(PAGES) + " No more is known of this."


@dataclass(frozen=True)
class Mixed:
    """Plays the assistant's part of the talk by a script; the embedded model writes the summaries."""

    script: list[Reply]
    inner: Model = field(default_factory=LocalModel)
    context_tokens: int = 2400
    max_output_tokens: int = 600
    name: str = "mixed"

    def cost_usd(self, usage: Usage) -> float:
        return 0.0

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        if request.messages[0].text == SUMMARY_INSTRUCTIONS:
            return await self.inner.reply(request, emit)
        return self.script.pop(0)


def found(results: Sequence[Result], kind: type[E]) -> list[E]:
    return [
        record.event
        for result in results
        for record in result.records
        if isinstance(record.event, kind)
    ]


def cached(results: Sequence[Result], what: str) -> None:
    """Print how much of each prompt had been read before, over the calls that these results end with."""
    replies = found(results, ModelReplied)
    for number, reply in enumerate(replies, 1):
        usage = reply.usage
        called = ", ".join(f"{call.name}{call.arguments}" for call in reply.calls) or "answers"
        print(
            f"  {number:>2} {usage.input_tokens:>6} {usage.cached_tokens:>6} {reply.latency_s:6.1f} s  {called[:60]}",
            flush=True,
        )
    read, had = (
        sum(r.usage.input_tokens for r in replies),
        sum(r.usage.cached_tokens for r in replies),
    )
    first = replies[0].usage
    later = (had - first.cached_tokens) / max(1, read - first.input_tokens)
    print(f"{what}: {len(replies)} model calls, {had} of {read} prompt tokens cached: {had / read:.0%};"
          f" {later:.0%} from the second call on", flush=True)  # fmt: skip


def turn_of_ten() -> None:
    pages = Agent("You read documents page by page.", tools=[read_page], model=LocalModel(), store=MemoryStore(),
                  limits=Limits(steps=12, seconds=None))  # fmt: skip
    result = pages.run_sync("Read all 9 pages of the history, one after the other, from page 1 on. Then say in which"
                            " year the fire was.")  # fmt: skip
    print(f"  {result.status}: {result.answer!r}")
    cached([result], "a turn of ten steps")


def talk_of_five() -> None:
    agent = Agent("Be brief.", tools=[calculator], model=LocalModel(), store=MemoryStore())
    asked = [
        "What is 12% of 2,500?",
        "Double that.",
        "Is that more than 500?",
        "What is a treadle?",
        "Thank you!",
    ]
    cached([agent.run_sync(text, thread="talk") for text in asked], "a talk of five turns")


def summary() -> None:
    script: list[Reply] = []
    for said, answer in TALK:
        script += (
            [says(answer)]
            if answer
            else [calls(("archive", {"topic": said})), says("The archive says little.")]
        )
    store = MemoryStore()
    agent = Agent(
        "You help to plan.",
        tools=[archive],
        model=Mixed(script),
        store=store,
        context_window=ContextWindow(),
    )
    results = [agent.run_sync(said, thread="museum") for said, _ in TALK]
    summaries = [cut.summary for cut in found(results, ContextCompacted) if cut.summary]
    if not summaries:
        print("no summary was needed")
        return
    for text in summaries:
        print("---\n" + text, flush=True)
    kept = [fact for fact in FACTS if fact.lower() in summaries[-1].lower()]
    print(f"summarised {len(summaries)} times; {len(kept)} of {len(FACTS)} facts in the last;"
          f" lost: {', '.join(f'{f} ({FACTS[f]})' for f in FACTS if f not in kept) or 'none'};"
          f" the old date: {'3 March' in summaries[-1].replace('17 March', '')}")  # fmt: skip
    asker = Agent(
        "You help to plan.", tools=[archive], model=LocalModel(context_tokens=8192), store=store
    )
    right = 0
    for question, wanted in QUESTIONS.items():
        answer = asker.run_sync(question, thread="museum").answer
        good = all(
            any(each in answer.lower() for each in part.split("|")) for part in wanted.split("&")
        )
        right += good
        print(f"  {'right' if good else 'WRONG'}: {question} {answer!r}", flush=True)
    print(f"{right} of {len(QUESTIONS)} questions right")


def main() -> None:
    wanted = sys.argv[1:]
    for name, part in {"cached": turn_of_ten, "talk": talk_of_five, "summary": summary}.items():
        if not wanted or name in wanted:
            print(f"== {name}", flush=True)
            part()


if __name__ == "__main__":
    main()
