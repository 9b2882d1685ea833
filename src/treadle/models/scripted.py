"""A model that answers by a script: for tests of agents, tools and flows, with no network and no key.

model = ScriptedModel([calls(("add", {"a": 1, "b": 2})), says("3")])
assert Agent("Add.", tools=[add], model=model).run_sync("1+2?").answer == "3"
assert model.seen[1].messages[-1].text == "3"
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ..core.events import Call, Text, Thinking, Usage
from ..core.model import Reply, Request
from .legal import find_faults

Answer = Reply | BaseException
Item = Answer | Callable[[Request], Answer]


class IllegalPrompt(AssertionError):
    """The model was asked what a strict provider would refuse: a bug in Treadle, or in a prompt made by hand."""


class ScriptEnded(AssertionError):
    """The model was asked more often than the script has answers: the test's mistake, or what it found."""


def says(text: str) -> Reply:
    """A reply of text, which ends a turn."""
    return Reply(text)


def calls(*wanted: str | tuple[str, Mapping[str, Any] | str], text: str = "") -> Reply:
    """A reply that asks for tools, all at once: `calls("now")`, `calls(("add", {"a": 1}), ("add", {"a": 2}))`.

    A string in place of the arguments goes as it is, so that bad JSON can be tested: `calls(("add", "{a:"))`.
    """
    made = []
    for number, each in enumerate(wanted):
        name, arguments = (each, "{}") if isinstance(each, str) else each
        written = (
            arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        )
        made.append(Call(f"call_{number}", name, written))
    said = (Text(text),) if text else ()
    return Reply((*said, *made), finish_reason="tool_calls")


class ScriptedModel:
    """Gives the script's answers in their order, and keeps in `seen` what it was asked.

    An item is a Reply; an exception, which is raised; or a function of the Request that gives either. The text is
    emitted word by word. Tokens are counted the same way each time: the prompt's estimate, and a token a word.
    `price_usd` is what an input token and an output token cost; None makes the price unknown.
    """

    def __init__(
        self,
        script: Iterable[Item],
        *,
        price_usd: tuple[float, float] | None = (0.0, 0.0),
        name: str = "scripted",
        context_tokens: int = 128_000,
        max_output_tokens: int = 4096,
    ) -> None:
        self.seen: list[Request] = []
        """Every request, oldest first."""
        self.name = name
        self.context_tokens = context_tokens
        self.max_output_tokens = max_output_tokens
        self._script = list(script)
        self._price_usd = price_usd

    @property
    def left(self) -> int:
        """How many of the script's answers nobody has asked for."""
        return max(0, len(self._script) - len(self.seen))

    def cost_usd(self, usage: Usage) -> float | None:
        if self._price_usd is None:
            return None
        read, wrote = self._price_usd
        return usage.input_tokens * read + usage.output_tokens * wrote

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """The script's next answer. Raises what the script says; ScriptEnded and IllegalPrompt, no ModelErrors."""
        self.seen.append(request)
        if wrong := find_faults(request):
            raise IllegalPrompt("; ".join(wrong))
        if len(self.seen) > len(self._script):
            last = request.messages[-1] if request.messages else None
            asked = f"; the last message was the {last.role}'s {last.text[:200]!r}" if last else ""
            raise ScriptEnded(
                f"the script has {len(self._script)} answers and the model was asked {len(self.seen)} times{asked}"
            )
        item = self._script[len(self.seen) - 1]
        answer = item(request) if callable(item) else item
        if isinstance(answer, BaseException):
            raise answer
        if answer.thinking:
            emit(Thinking(answer.thinking))
        pieces = re.findall(r"\s*\S+|\s+$", answer.text)
        for piece in pieces:
            emit(piece)
        if answer.usage.total_tokens:
            return answer
        wrote = len(pieces) + sum(len(call.name + call.arguments) // 4 + 1 for call in answer.calls)
        usage = Usage(request.tokens, wrote)
        return replace(answer, usage=usage)
