"""What a flow's code holds is what its log has: nobody changes it behind its back."""

import asyncio
import math
from dataclasses import dataclass, field

import pytest

from fakes import found, live, world
from treadle import (
    Agent,
    Flow,
    MemoryStore,
    ScriptedModel,
    StepFailed,
    TurnFailed,
    UsageError,
    approve,
    ask,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.context import Context
from treadle.graphs import END, START, Choice, Edge, Graph, Node
from treadle.models.scripted import calls, says


def made(function, **settings) -> Flow:
    return flow(**{"store": MemoryStore(), "world": world(), **settings})(function)


def both_ways(function):
    """What the flow gives at once, and what it gives after it has waited."""
    waits = []

    async def whole(pause: bool):
        async def wait():
            if pause:
                waits.append(await ask("go on?"))

        return await function(wait)

    one = made(whole)
    at_once = live(one.options(thread="at once").run(False)).output
    result = live(one.options(thread="later").run(True))
    assert result.status == "waiting"
    live(one.post("later", e.UserSaid("yes", answers=result.waiting[0].id)))
    return at_once, live(one.resume("later")).output


async def add_tax(order: dict) -> None:
    order["total"] *= 1.2


async def prices() -> list[int]:
    return [1, 2]


@dataclass
class Cart:
    lines: list[str] = field(default_factory=list)


def fill(cart: Cart) -> Cart:
    cart.lines.append("lamp")
    return cart


async def changes_an_argument(wait):
    order = {"total": 100}
    await step(add_tax, order)
    await wait()
    return order["total"]


async def changes_an_object(wait):
    cart = Cart()
    filled = await step(fill, cart)
    await wait()
    return [len(cart.lines), len(filled.lines)]


async def changes_a_result(wait):
    first = await step(prices)
    first.append(3)
    await wait()
    return [first, await step(prices)]


async def changes_what_it_gave_before_the_step_has_begun(wait):
    order = {"total": 100}
    asked = step.options(id="copy")(dict, order)
    order["total"] = 0
    copied = await asked
    await wait()
    return copied


async def gives_one_value_to_two_steps(wait):
    cart = Cart()
    left, right = await asyncio.gather(step(fill, cart), step(fill, cart))
    await wait()
    return [left.lines, right.lines, cart.lines]


@pytest.mark.parametrize(
    ("function", "output"),
    [
        (changes_an_argument, 100),
        (changes_an_object, [0, 1]),
        (changes_a_result, [[1, 2, 3], [1, 2]]),
        (changes_what_it_gave_before_the_step_has_begun, {"total": 100}),
        (gives_one_value_to_two_steps, [["lamp"], ["lamp"], []]),
    ],
)
def test_a_flow_gives_the_same_before_and_after_it_has_waited(function, output):
    assert both_ways(function) == (output, output)


def test_each_try_of_a_step_gets_the_arguments_anew():
    seen = []

    async def weak(lines: list[str]) -> str:
        lines.append("tried")
        seen.append(list(lines))
        if len(seen) < 3:
            raise ConnectionError("refused")
        return "ok"

    async def order():
        return await step.options(idempotent=True, retries=2)(weak, [])

    assert live(made(order).run()).output == "ok"
    assert seen == [["tried"]] * 3


def test_a_tool_and_its_context_get_copies_too():
    @tool
    def note(lines: list[str], context: Context) -> str:
        lines.append(context.call_id)
        return lines[-1]

    async def order():
        lines = ["a"]
        return [await step(note, lines), lines]

    assert live(made(order).run()).output == ["note", ["a"]]


def test_what_an_agent_depends_on_is_not_copied():
    class Clients:
        pass

    clients, seen = Clients(), []

    @tool
    def look(context: Context) -> str:
        """Look."""
        seen.append(context.deps)
        return "seen"

    looker = Agent(name="looker", tools=[look], model=ScriptedModel([calls("look"), says("done")]))

    async def order():
        return (await looker.run("go", deps=clients)).answer

    assert live(made(order).run()).output == "done"
    assert seen == [clients]
    assert seen[0] is clients


@dataclass
class Picture:
    image: bytes = b""
    size: int = 0


def test_bytes_and_numbers_that_json_has_not_come_back_as_they_were():
    def png() -> bytes:
        return b"\x89PNG"

    def ratio() -> float:
        return math.inf

    def size(image: bytes) -> int:
        return len(image)

    async def whole(label: bytes) -> tuple[bytes, bytes, float]:
        return label, await step(png), await step(ratio)

    assert live(made(whole).run(b"\x00\xff")).output == (b"\x00\xff", b"\x89PNG", math.inf)
    graph = Graph(
        Picture,
        nodes=[Node(png, "image"), Node(size, "size")],
        edges=[Edge(START, "png"), Edge("png", "size"), Edge("size", END)],
        store=MemoryStore(),
    )
    assert live(graph.run()).output == Picture(b"\x89PNG", 4)


def test_what_would_come_back_as_something_else_is_refused_before_the_step_runs():
    ran = []

    def pay(basket, euros=1):
        ran.append(basket)

    class Connection:
        pass

    def connect() -> Connection:
        ran.append("connected")
        return Connection()

    async def refused() -> list[str]:
        said = []
        for asked in (
            lambda: step(pay, (1, 2)),
            lambda: step(pay, {1: "lamp"}),
            lambda: step(pay, b"ab"),
            lambda: step(pay, [Cart()]),
            lambda: step(pay, "x", euros=math.nan),
            lambda: step(connect),
            lambda: approve("it", connection=Connection()),
        ):
            with pytest.raises(UsageError) as caught:
                asked()
            said.append(str(caught.value))
        return said

    result = live(made(refused).run())
    assert [text.partition(". ")[0] for text in result.output] == [
        "pay: its arguments are kept in the log as JSON, and basket can't be: it is a tuple, and"
        " would come back as a list",
        "pay: its arguments are kept in the log as JSON, and basket can't be: it is a dict whose"
        " keys would come back as others, such as texts for numbers",
        "pay: its arguments are kept in the log as JSON, and basket can't be: it is a bytes, and"
        " would come back as a str",
        "pay: its arguments are kept in the log as JSON, and basket can't be: at [0] it is a Cart,"
        " and would come back as a dict",
        "pay: its arguments are kept in the log as JSON, and euros can't be: it is NaN or an"
        " infinity, which JSON has not",
        f"connect says that it gives {Connection!r}, and a log keeps JSON, from which that can't be"
        " made again",
        "what a person is shown is kept in the log as JSON: a dict has no JSON form"
        " (Connection is not JSON)",
    ]
    assert ran == []
    assert not found(result, e.StepAsked)


def test_arguments_of_a_flow_are_restored_or_refused_before_it_runs():
    async def order(cart: Cart, keys: dict[int, str]) -> list:
        return [cart.lines, keys[1]]

    one = made(order)
    assert live(one.run(Cart(["lamp"]), {1: "a"})).output == [["lamp"], "a"]
    assert live(one.run({"lines": []}, {"1": "a"})).output == [[], "a"]
    with pytest.raises(UsageError, match="cart can't be: Input should be"):
        live(one.run(("lamp",), {}))
    with pytest.raises(UsageError, match="the flow order: bad arguments: cart: "):
        live(one.run(3, {}))


def test_a_result_that_nobody_can_make_again_fails_its_step_and_says_what_to_do():
    async def order() -> str:
        try:
            await step.options(id="cart")(lambda: Cart())
        except StepFailed as error:
            return str(error)

    assert live(made(order).run()).output == (
        "the step ran, but its result can't be kept: it is a Cart, and would come back as a dict."
        " Say in the function's return annotation as what it is to come back"
    )

    async def gives():
        return Cart()

    with pytest.raises(TurnFailed, match="it is a Cart, and would come back as a dict"):
        live(made(gives).run())


def test_python_s_own_values_come_back_as_arguments_of_a_flow():
    async def order(basket, prices: dict) -> list:
        return [basket, prices]

    given = ((1, b"ab", {"$": "value"}), {1: {2.5}})
    one = made(order)
    assert live(one.options(thread="t").run(*given)).output == list(given)
    with pytest.raises(UsageError, match="NaN"):
        live(one.run((1, math.nan), {}))


@dataclass
class Shop:
    sold: tuple[bytes, ...] = ()
    cart: Cart = field(default_factory=Cart)
    size: int = 0


def test_functions_of_a_graph_get_fields_as_the_state_declares_them():
    def sell() -> tuple[bytes, ...]:
        return (b"\x89", b"lamp")

    graph = Graph(
        Shop,
        nodes=[
            Node(sell, "sold"),
            Node(lambda sold, cart: len(sold) + len(cart.lines), "size", name="count"),
        ],
        edges=[
            Edge(START, "sell"),
            Choice("sell", lambda sold: type(sold).__name__, {"tuple": "count", "list": END}),
            Edge("count", END),
        ],
        store=MemoryStore(),
    )
    assert live(graph.run(cart=Cart(["desk"]))).output == Shop(
        (b"\x89", b"lamp"), Cart(["desk"]), 3
    )
