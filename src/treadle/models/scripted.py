"""A model that replies from a script: for tests of agents, tools and flows without network or key.

model = ScriptedModel([calls(("add", {"a": 1, "b": 2})), says("3")])
assert Agent("Add.", tools=[add], model=model).run_sync("1+2?").answer == "3"
assert model.seen[1].messages[-1].text == "3"
"""

import json
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from msgspec import structs

from ..core.errors import UsageError
from ..core.events import Call, Text, Thinking, Usage
from ..core.model import Reply, Request
from ..core.model_settings import NO_SETTINGS, SETTING_NAMES, ModelSettings, check_model_settings
from ..core.name_kind import name_kind
from .request_rules import find_faults

Answer = Reply | BaseException
ScriptItem = Answer | Callable[[Request], Answer]
_INSTEAD = "give says(text), calls(name), an exception, or a function of the Request that gives one"


class IllegalPrompt(AssertionError):
    """A strict provider would refuse the request: a bug in Treadle, or in a prompt made by hand."""


class ScriptEnded(AssertionError):
    """The model was asked more often than the script has replies.

    Either the script is too short, or the test has found something.
    """


def says(text: str) -> Reply:
    """A reply of text only, which ends a turn."""
    return Reply(text)


def calls(*wanted: str | tuple[str, Mapping[str, Any] | str], text: str = "") -> Reply:
    """A reply with tool calls: `calls("now")`, `calls(("add", {"a": 1}), ("add", {"a": 2}))`.

    Arguments that are a string are used as they are, to test bad JSON: `calls(("add", "{a:"))`.
    """
    made = []
    for number, call in enumerate(wanted):
        arguments: Mapping[str, Any] | str = "{}"
        match call:
            case str(name):
                pass
            case (str(name), Mapping() | str() as arguments):
                pass
            case _:
                raise UsageError(
                    f"calls() was given {name_kind(call)}; give a tool's name, or (name, arguments)"
                )
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        made.append(Call(f"call_{number}", name, arguments))
    if text:
        return Reply((Text(text), *made), finish_reason="tool_calls")
    return Reply(tuple(made), finish_reason="tool_calls")


class ScriptedModel:
    """Gives the script's replies one after the other, and keeps the requests in `seen`.

    An item of the script is a Reply, an exception to raise, or a function of the Request that gives
    either. The text is emitted word by word. Its count of tokens is always the same: the prompt's
    estimate, and one token a word. `price_usd` is the price of an input token and of an output
    token; None makes the price unknown.
    """

    def __init__(
        self,
        script: Iterable[ScriptItem],
        *,
        price_usd: tuple[float, float] | None = (0.0, 0.0),
        name: str = "scripted",
        context_tokens: int = 128_000,
        max_output_tokens: int = 4096,
        settings: ModelSettings = NO_SETTINGS,
    ) -> None:
        self.seen: list[Request] = []
        """Every request, oldest first."""
        self.name = name
        self.context_tokens = context_tokens
        self.max_output_tokens = max_output_tokens
        self.settings = settings
        """Its own. They are told in the log, and change nothing."""
        self.carried_settings = SETTING_NAMES
        """All of them: a test sees in `seen` what a request asks for."""
        check_model_settings("ScriptedModel(settings=)", settings)
        if not isinstance(script, Iterable):
            raise UsageError(f"a script is {name_kind(script)}; give a list of replies")
        self._script = list(script)
        for item in self._script:
            is_function = callable(item) and not isinstance(item, type)
            if not isinstance(item, Reply | BaseException) and not is_function:
                raise UsageError(f"a script has {name_kind(item)}; {_INSTEAD}")
        self._price_usd = price_usd

    @property
    def answers_left(self) -> int:
        """How many replies of the script have not been asked for."""
        return max(0, len(self._script) - len(self.seen))

    def cost_usd(self, usage: Usage) -> float | None:
        if self._price_usd is None:
            return None
        input_price, output_price = self._price_usd
        return usage.input_tokens * input_price + usage.output_tokens * output_price

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """The script's next reply.

        Raises the script's exceptions, IllegalPrompt and ScriptEnded.
        """
        self.seen.append(request)
        if faults := find_faults(request):
            raise IllegalPrompt("; ".join(faults))
        answer = self._next_answer(request)
        if isinstance(answer, BaseException):
            raise answer
        if answer.thinking:
            emit(Thinking(answer.thinking))
        pieces = re.findall(r"\s*\S+|\s+$", answer.text)
        for piece in pieces:
            emit(piece)
        if answer.usage.total_tokens:
            return answer
        output_tokens = len(pieces)
        for call in answer.calls:
            output_tokens += len(call.name + call.arguments) // 4 + 1
        return structs.replace(answer, usage=Usage(request.tokens, output_tokens))

    def _next_answer(self, request: Request) -> Answer:
        if len(self.seen) > len(self._script):
            message = (
                f"the script has {len(self._script)} answers"
                f" and the model was asked {len(self.seen)} times"
            )
            if request.messages:
                last = request.messages[-1]
                message += f"; the last message was the {last.role}'s {last.text[:200]!r}"
            raise ScriptEnded(message)
        item = self._script[len(self.seen) - 1]
        if not callable(item):
            return item
        answer = item(request)
        if isinstance(answer, Coroutine):
            answer.close()
            raise UsageError("a function of a script is async; write it with def")
        if not isinstance(answer, Reply | BaseException):
            raise UsageError(f"a function of a script gave {name_kind(answer)}; {_INSTEAD}")
        return answer
