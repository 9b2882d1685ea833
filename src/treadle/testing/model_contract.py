"""What every model promises, as tests: `core/model.py` says it in words.

    class TestMyModel(ModelContract):
        async def make(self, *answers):
            return MyModel(client=FakeClient(answers))

Each of the answers is what the provider says to one request, in their order: a Reply, as `says`
and `calls` make it, or a ModelError, which is to be raised as an error of this class. How they get
to the model, by a fake client or a server on loopback, is up to whoever tests.
"""

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ..core.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
)
from ..core.events import Call, Thinking, Usage
from ..core.function_tool import tool
from ..core.model import Message, Model, Reply, Request
from ..models.scripted import calls, says
from ..runtime.agent import Agent
from ..stores.memory import MemoryStore
from .contract import Contract, against

TEXT = "Good morning, Ann.\nIt is 12 °C outside — 日本."


@tool(read_only=True)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ASKED = Request(
    (Message("system", "Be brief."), Message("user", "Good morning.")), (add.schema,), 400
)
CALL = Call("c00001000", "add", '{"a":1,"b":2}')
AFTER_A_CALL = Request(
    (
        Message("system", "Be brief."),
        Message("user", "1+2?"),
        Message("assistant", (CALL,)),
        Message("tool", "3", call_id=CALL.id),
    ),
    (add.schema,),
    400,
)
TWO_CALLS = calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))


async def ask(model: Model, request: Request = ASKED) -> tuple[Reply, str]:
    """The reply, and the text that was emitted meanwhile."""
    pieces: list[str] = []

    def emit(piece: str | Thinking) -> None:
        if isinstance(piece, str):
            pieces.append(piece)

    reply = await asyncio.wait_for(model.reply(request, emit), 30)
    return reply, "".join(pieces)


class ModelContract(Contract):
    """Tests of a model. Subclass it, and say how one is made that gets these answers."""

    def make(self, *answers: Reply | ModelError) -> Any:
        """A model whose provider gives these answers, one to each request; it may be async."""
        raise NotImplementedError("a ModelContract needs a method make(self, *answers)")

    @against()
    async def test_it_has_a_name_and_sizes(self, model: Model) -> None:
        assert isinstance(model.name, str)
        assert model.name.strip()
        assert isinstance(model.context_tokens, int)
        assert isinstance(model.max_output_tokens, int)
        assert 0 < model.max_output_tokens <= model.context_tokens

    @against()
    async def test_a_price_is_none_or_an_amount_that_grows_with_the_tokens(
        self, model: Model
    ) -> None:
        usages = [Usage(), Usage(1000, 0), Usage(1000, 1000), Usage(9000, 9000)]
        costs = [model.cost_usd(usage) for usage in usages]
        assert costs == [model.cost_usd(usage) for usage in usages], "a price is a pure function"
        known = [cost for cost in costs if cost is not None]
        assert len(known) in (0, len(costs))
        assert known == sorted(known)
        assert all(cost >= 0 for cost in known)

    @against(says(TEXT))
    async def test_all_of_a_text_is_emitted_and_given(self, model: Model) -> None:
        reply, emitted = await ask(model)
        assert reply.text == TEXT
        assert emitted == TEXT
        assert reply.calls == ()
        assert reply.finish_reason == "stop"

    @against(says(TEXT))
    async def test_a_reply_says_what_it_has_used(self, model: Model) -> None:
        reply, _ = await ask(model)
        assert reply.usage.input_tokens > 0
        assert reply.usage.output_tokens > 0

    @against(TWO_CALLS)
    async def test_calls_come_in_their_order_with_their_arguments_as_json(
        self, model: Model
    ) -> None:
        reply, _ = await ask(model)
        assert [call.name for call in reply.calls] == ["add", "add"]
        arguments = [json.loads(call.arguments) for call in reply.calls]
        assert arguments == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
        assert reply.finish_reason == "tool_calls"

    @against(calls(("add", {"a": 1, "b": 2}), text="Let me add."))
    async def test_text_before_a_call_is_kept(self, model: Model) -> None:
        reply, emitted = await ask(model)
        assert (reply.text, emitted) == ("Let me add.", "Let me add.")
        assert len(reply.calls) == 1

    @against(says("3"))
    async def test_a_history_with_a_call_and_its_result_is_taken(self, model: Model) -> None:
        reply, _ = await ask(model, AFTER_A_CALL)
        assert reply.text == "3"

    @against(says("one"), says("two"))
    async def test_a_request_is_left_as_it_was_and_each_gets_its_answer(self, model: Model) -> None:
        before = copy.deepcopy(AFTER_A_CALL)
        first, _ = await ask(model, AFTER_A_CALL)
        second, _ = await ask(model, AFTER_A_CALL)
        assert before == AFTER_A_CALL
        assert (first.text, second.text) == ("one", "two")

    @against(says("one"), says("two"))
    async def test_two_may_be_asked_at_once(self, model: Model) -> None:
        both = await asyncio.gather(ask(model), ask(model))
        assert sorted(reply.text for reply, _ in both) == ["one", "two"]
        assert all(reply.text == emitted for reply, emitted in both)

    @against(ModelUnavailable("busy"), says("never asked for"))
    async def test_an_outage_is_raised_and_not_tried_again(self, model: Model) -> None:
        await _raises(model, ModelUnavailable)

    @against(ModelDenied("a wrong key"))
    async def test_a_wrong_key_is_raised_as_that(self, model: Model) -> None:
        await _raises(model, ModelDenied)

    @against(ModelRejected("a wrong request"))
    async def test_a_wrong_request_is_raised_as_that(self, model: Model) -> None:
        await _raises(model, ModelRejected)

    @against(ContextOverflow("prompt is too long: 210000 tokens > 200000 maximum"))
    async def test_a_prompt_that_is_too_long_is_raised_as_that(self, model: Model) -> None:
        await _raises(model, ContextOverflow)

    @against(says(TEXT))
    async def test_what_emit_raises_is_no_error_of_the_model(self, model: Model) -> None:
        def broken(piece: object) -> None:
            raise ZeroDivisionError("the listener's")

        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(model.reply(ASKED, broken), 30)

    @against(calls(("add", {"a": 1, "b": 2})), says("It is 3."))
    async def test_an_agent_works_with_it(self, model: Model) -> None:
        agent = Agent("Add.", tools=[add], model=model, store=MemoryStore())
        result = await asyncio.wait_for(agent.run("1+2?"), 60)
        assert (result.status, result.answer, result.steps) == ("answered", "It is 3.", 2)
        assert result.usage.total_tokens > 0


async def _raises(model: Model, kind: type[ModelError]) -> None:
    emit: Callable[[Any], None] = [].append
    with pytest.raises(ModelError) as raised:
        await asyncio.wait_for(model.reply(ASKED, emit), 30)
    found = type(raised.value)
    assert issubclass(found, kind), f"{found.__name__} was raised, and it is a {kind.__name__}"
