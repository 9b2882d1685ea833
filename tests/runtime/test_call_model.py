"""What a model call costs, from the bytes of a server to the log."""

import asyncio
from typing import Any

import msgspec
import pytest

from fakes import found
from server import delta, serving, stream, streamed
from treadle import Agent, Budget, Limits, MemoryStore, Result, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.model import Reply
from treadle.models.remote_model import RemoteModel
from treadle.models.scripted import calls
from treadle.observe.cost import cost_entries, sum_costs

PRICES = {"input": 1, "output": 4, "cache_read": 0.1, "cache_write": 1.25, "cache_write_1h": 2}
COUNT = {
    "prompt_tokens": 1000,
    "completion_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 500},
}


@tool
def look(at: int) -> int:
    """Look."""
    return at


def ask(
    counted: dict[str, Any], said: Any = "go", limits: Limits | None = None, **settings: Any
) -> Result:
    """The result of one turn with a server that counts like this."""

    async def main() -> Result:
        last = {"choices": [], "usage": counted}
        answer = streamed([stream(delta("stop", content="yes"), last)])
        async with serving(answer) as server:
            model = RemoteModel("m", base_url=server.url, api_key="k", **settings)
            asked = Agent(model=model, store=MemoryStore(), limits=limits or Limits())
            return await asked.run(said)

    return asyncio.run(main())


def replied(result: Result) -> e.ModelReplied:
    [reply] = found(result, e.ModelReplied)
    return reply


def test_the_log_has_what_a_call_cost_and_what_the_cache_saved_and_cost():
    result = ask(COUNT, prices=PRICES)
    reply = replied(result)
    assert (reply.usage.cached_tokens, reply.usage.cache_write_tokens) == (300, 500)
    assert reply.cost_usd == 0.000895  # 200 + 30 + 625 + 40 millionths
    assert (reply.cache_saved_usd, reply.cache_spent_usd) == (0.00027, 0.000125)
    whole = sum_costs(cost_entries(result.records))
    assert (float(whole.cache_saved_usd), float(whole.cache_spent_usd)) == (0.00027, 0.000125)
    assert whole.cache_unpriced == 0


def test_what_the_provider_says_that_it_cost_wins():
    reply = replied(ask(COUNT | {"cost": 0.5}, prices=PRICES))
    assert (reply.cost_usd, reply.usage.reported_usd) == (0.5, 0.5)
    assert reply.cache_saved_usd == 0.00027
    unknown = replied(ask(COUNT | {"cost": 0.5}))
    assert (unknown.cost_usd, unknown.cache_saved_usd) == (0.5, None)


def test_an_unknown_price_stays_unknown():
    result = ask(COUNT)
    reply = replied(result)
    assert (reply.cost_usd, reply.cache_saved_usd, reply.cache_spent_usd) == (None, None, None)
    whole = sum_costs(cost_entries(result.records))
    assert (whole.cost_usd, whole.unpriced, whole.cache_unpriced) == (None, 1, 1)


def test_a_tool_of_the_provider_without_a_price_passes_no_limit():
    """Nobody knows what it cost: so each call counts as it was reserved, here and in a budget."""

    def unknown(number: int) -> Reply:
        usage = e.Usage(1000, 10, provider_calls={"draw": 1})
        return msgspec.structs.replace(calls(("look", {"at": number})), usage=usage)

    class Drawing(ScriptedModel):
        def cost_usd(self, usage: e.Usage) -> float | None:
            return None if usage.provider_calls else usage.total_tokens / 1e6

    async def main() -> tuple[Result, float]:
        store = MemoryStore()
        limits = Limits(cost_usd=0.02, last_word=False, unpriced=False)
        asked = Agent(
            model=Drawing([unknown(n) for n in range(9)], max_output_tokens=5000),
            tools=[look],
            store=store,
            limits=limits,
            budgets=[Budget("team", usd_a_day=5)],
        )
        result = await asked.run("go")
        [day] = {name for each in found(result, e.ModelCalled) for name in each.accounts}
        return result, (await store.balance(day, 0.0)).usd

    result, usd = asyncio.run(main())
    reserved = [each.reserved_usd for each in found(result, e.ModelCalled)]
    assert (result.status, result.reason, result.summary().cost_usd) == ("limit", "cost_usd", None)
    assert 0.015 < sum(reserved) <= 0.02
    assert usd == pytest.approx(sum(reserved))


def test_a_call_without_a_cache_says_nothing_of_one():
    reply = replied(ask({"prompt_tokens": 1000, "completion_tokens": 10}, prices=PRICES))
    assert (reply.cost_usd, reply.cache_saved_usd, reply.cache_spent_usd) == (0.00104, None, None)


def test_the_whole_prompt_is_reserved_as_if_it_were_kept_for_an_hour():
    result = ask(COUNT, prices=PRICES)
    [called] = found(result, e.ModelCalled)
    tokens = called.prompt_tokens * 2 + called.max_output_tokens * 4
    assert called.reserved_usd == pytest.approx(tokens / 1e6)


def test_a_limit_that_only_the_cache_s_price_breaks_is_kept():
    tight = Limits(last_word=False, cost_usd=0.0001)
    cheap = {"input": 1, "output": 1}
    assert ask(COUNT, limits=tight, prices=cheap).status == "answered"
    dear = cheap | {"cache_write_1h": 100}
    assert ask(COUNT, limits=tight, prices=dear).status == "limit"


SOUND = e.UserSaid(("listen", e.Audio("data:audio/wav;base64,AAAA")))
SOUND_FILE = e.UserSaid(("listen", e.File("a.wav", "data:audio/wav;base64,AAAA")))
PAGE = e.UserSaid(("read", e.File("a.pdf", "data:application/pdf;base64,AAAA")))


@pytest.mark.parametrize(("said", "price"), [(SOUND, 100), (SOUND_FILE, 100), (PAGE, 1)])
def test_sound_is_reserved_at_its_own_price_where_a_prompt_has_some(said, price):
    prices = {"input": 1, "output": 1, "audio_input": 100}
    [called] = found(ask(COUNT, said, prices=prices), e.ModelCalled)
    tokens = called.prompt_tokens * price + called.max_output_tokens
    assert called.reserved_usd == pytest.approx(tokens / 1e6)


def test_a_broken_stream_costs_what_the_provider_said():
    async def main() -> Result:
        last = {"choices": [], "usage": COUNT | {"cost": 0.5}}
        async with serving(streamed([stream(delta(content="y"), last, done=False)])) as server:
            model = RemoteModel("m", base_url=server.url, api_key="k", prices=PRICES)
            asked = Agent(model=model, store=MemoryStore(), limits=Limits(model_tries=1))
            with pytest.raises(Exception, match="ended before") as caught:
                await asked.run("go")
            return caught.value.result  # type: ignore[attr-defined, no-any-return]

    [failed] = found(asyncio.run(main()), e.ModelFailed)
    assert failed.cost_usd == 0.5
