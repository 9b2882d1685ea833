"""A call of unknown outcome is asked about at its service, before any person is. tests/crash kills at every append."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from crash.verified import Machine, Process
from fakes import agent, live
from treadle import (
    Agent,
    CannotTell,
    Context,
    DidNotRun,
    IllegalEvent,
    Image,
    MemoryStore,
    OutcomeDecided,
    Ran,
    Record,
    Result,
    ScriptedModel,
    UsageError,
    flow,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.call import make_idempotency_key
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.observe.timeline import Timeline
from treadle.runtime.check_call import MAX_VERIFY_S
from treadle.runtime.fork import fork
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.runtime.world import World

PAYS = calls(("pay", {"euros": 5}))
CALL = "c00005000"
KEY = make_idempotency_key("id1", CALL, '{"euros": 5}')
SETTLE_S = 30.0


class Bank:
    """What `verify` answers, in turn, and what was asked of it and paid."""

    def __init__(self, *answers: Any, **settings: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Context] = []
        self.paid: list[Context] = []
        self.settings = {"settle_s": SETTLE_S, **settings}
        self.takes_s = 0.0

    async def verify(self, euros: int, context: Context) -> Any:
        self.asked.append(context)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer) and not isinstance(answer, type):
            answer = await answer()
        return answer

    async def pay(self, euros: int, context: Context) -> str:
        self.paid.append(context)
        await asyncio.sleep(self.takes_s)
        return f"paid {euros}"

    @property
    def tool(self) -> Any:
        return tool(verify=self.verify, **self.settings)(self.pay)

    def agent(self, store: Any, *script: Any, **settings: Any) -> Agent:
        model = ScriptedModel(script or [says("Done.")])
        return agent(model, self.tool, store=store, **settings)


async def read(store: Any, thread: str = "t") -> list[Record]:
    return (await open_log(thread, store, World())).records


def decided(records: list[Record]) -> list[OutcomeDecided]:
    return [each.event for each in records if isinstance(each.event, OutcomeDecided)]


def interrupted() -> MemoryStore:
    """The thread of a process that was killed as it began to pay."""
    machine = Machine()
    process = Process(machine, dies_at=5, written=True)
    work = Bank(Ran()).agent(process, PAYS).run("Pay.", thread="t")
    assert live(process.life(work)) is None
    return machine.rows


def resumed(bank: Bank, **settings: Any) -> tuple[Result, list[Record]]:
    """What comes of a thread whose process was killed while it paid; a replay of it is the same."""
    store = interrupted()
    runner = bank.agent(store, **settings)

    async def whole() -> tuple[Result, list[Record]]:
        result = await runner.resume("t")
        records = await read(store)
        assert await replay(records, runner.run_settings) is None
        return result, records

    return live(whole())


def shown(runner: Agent) -> str:
    """What the model saw of the call."""
    return runner.model.seen[-1].messages[-1].text  # type: ignore[union-attr]


def test_what_ran_is_the_call_s_result():
    bank = Bank(Ran({"receipt": 7}))
    store = interrupted()
    runner = bank.agent(store)
    result = live(runner.resume("t"))
    assert (result.status, result.answer) == ("answered", "Done.")
    assert shown(runner) == '{"receipt":7}'
    assert decided(live(read(store))) == [OutcomeDecided(CALL, "ran", "verify", '{"receipt":7}')]
    [context] = bank.asked
    assert (context.idempotency_key, context.call_id, context.attempt) == (KEY, CALL, 1)
    assert bank.paid == []


def test_pictures_are_shown_too():
    picture = Image("https://example.org/receipt.png")
    _, records = resumed(Bank(Ran(picture)))
    assert decided(records)[0].parts == (picture,)


def test_a_result_that_nobody_knows_is_said_to_be_done():
    _, records = resumed(Bank(Ran()))
    assert decided(records)[0].content == "done; it gave no result"


def test_a_plain_function_and_one_without_parameters_will_do():
    threads: list[Any] = []

    def verify() -> Ran:
        threads.append(threading.current_thread() is threading.main_thread())
        return Ran("paid")

    bank = Bank()
    bank.verify = verify  # type: ignore[method-assign, assignment]
    result, _ = resumed(bank)
    assert result.status == "answered"
    assert threads == [False], "it may block, as a tool may"


def test_what_did_not_run_runs_again_once_it_can_no_longer_arrive():
    bank = Bank(DidNotRun())
    began = live_time = 0.0

    store = interrupted()
    runner = bank.agent(store)

    async def whole() -> Result:
        nonlocal began, live_time
        began = asyncio.get_running_loop().time()
        result = await runner.resume("t")
        live_time = asyncio.get_running_loop().time()
        return result

    result = live(whole())
    assert result.status == "answered"
    assert len(bank.asked) == 2, "before, and once it had settled"
    assert [each.idempotency_key for each in bank.paid] == [KEY]
    assert [each.attempt for each in bank.paid] == [2]
    assert live_time - began == pytest.approx(SETTLE_S)
    assert decided(live(read(store))) == [OutcomeDecided(CALL, "not_run", "verify")]


def test_what_arrived_meanwhile_does_not_run_again():
    bank = Bank(DidNotRun(), Ran("paid 5"))
    _, records = resumed(bank)
    assert decided(records) == [OutcomeDecided(CALL, "ran", "verify", "paid 5")]
    assert bank.paid == []


def test_under_a_key_that_is_honoured_it_runs_again_at_once():
    bank = Bank(DidNotRun(), honours_key=True)
    resumed(bank)
    assert len(bank.asked) == 1
    assert [each.idempotency_key for each in bank.paid] == [KEY]


async def breaks() -> Any:
    raise ConnectionError("the bank is down")


async def hangs() -> Any:
    await asyncio.sleep(1e9)


async def exits() -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CannotTell("the bank keeps no list"), "the bank keeps no list"),
        (CannotTell(), ""),
        (breaks, "verify raised ConnectionError: the bank is down"),
        (exits, "verify raised RuntimeError: SystemExit: 3"),
        (hangs, f"verify took longer than {MAX_VERIFY_S:g} s"),
        (None, "verify returned NoneType; it may return"),
        (True, "verify returned bool; it may return"),
        (DidNotRun, "verify returned DidNotRun; it may return"),
    ],
)
def test_else_a_person_is_asked_and_told_why_and_verify_is_not_asked_again(answer, reason):
    bank = Bank(answer)
    store = interrupted()
    runner = bank.agent(store)

    async def whole() -> None:
        for _ in range(3):
            result = await runner.resume("t")
            [pending] = result.waiting
            assert pending.status == "unknown"
            assert pending.reason.startswith(reason)
        assert len(bank.asked) == 1
        assert await runner.due() == []
        await runner.post("t", OutcomeDecided(CALL, "ran", "ann", "paid 5"))
        assert (await runner.resume("t")).status == "answered"
        records = await read(store)
        assert [(each.by, each.outcome) for each in decided(records)] == [
            ("verify", "unclear"),
            ("ann", "ran"),
        ]
        assert await replay(records, runner.run_settings) is None
        assert await replay(records) is None

    live(whole())
    assert bank.paid == []


def test_or_the_model_is_told_where_the_agent_says_so():
    result, records = resumed(Bank(CannotTell("no list")), unknown="tell")
    assert result.status == "answered"
    assert [(each.by, each.outcome) for each in decided(records)] == [
        ("verify", "unclear"),
        ("policy", "tell"),
    ]


def test_where_a_person_says_that_it_did_not_run_and_it_crashes_again_verify_is_asked_again():
    bank = Bank(CannotTell("no list"))
    machine = Machine()
    machine.rows = interrupted()

    async def whole() -> Result:
        first = Process(machine)
        await bank.agent(first).resume("t")
        await bank.agent(first).post("t", OutcomeDecided(CALL, "not_run", "ann"))
        second = Process(machine, dies_at=3)
        assert await second.life(bank.agent(second).resume("t")) is None
        bank.answers = [Ran("paid")]
        return await bank.agent(Process(machine)).resume("t")

    assert live(whole()).status == "answered"
    assert len(bank.asked) == 2


def test_a_kill_while_it_asks_or_waits_only_makes_the_next_driver_ask():
    bank = Bank(DidNotRun())
    machine = Machine()
    machine.rows = interrupted()

    async def whole() -> None:
        killed = Process(machine)
        driving = asyncio.create_task(killed.life(bank.agent(killed).resume("t")))
        await asyncio.sleep(SETTLE_S / 2)
        before = len(await read(machine.rows))
        killed.is_dead = True
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        runner = bank.agent(Process(machine))
        assert await runner.due() == ["t"]
        assert len(await read(machine.rows)) == before, "nothing is left behind"
        began = asyncio.get_running_loop().time()
        assert (await runner.resume("t")).status == "answered"
        assert asyncio.get_running_loop().time() - began == pytest.approx(SETTLE_S)

    live(whole())
    assert len(bank.paid) == 1


# Whoever began it may be alive


def taken_while_it_pays(bank: Bank, act: Callable[[Bank, Machine], Any]) -> list[Record]:
    """A process pays for a minute, and is at work while `act` goes on."""
    machine = Machine()
    bank.takes_s = 60.0

    async def whole() -> list[Record]:
        first = bank.agent(Process(machine), PAYS, says("Paid."))
        driving = asyncio.create_task(first.run("Pay.", thread="t"))
        await asyncio.sleep(1)
        await act(bank, machine)
        await asyncio.gather(driving, return_exceptions=True)
        await asyncio.sleep(120)
        records = await read(machine.rows)
        runner = bank.agent(machine.rows)
        assert await replay(records, runner.run_settings) is None
        return records

    return live(whole())


def test_what_a_living_process_began_does_not_run_again_and_its_own_word_counts():
    async def act(bank: Bank, machine: Machine) -> None:
        result = await bank.agent(Process(machine)).resume("t", take=True)
        [pending] = result.waiting
        assert "may be alive" in pending.reason

    bank = Bank(DidNotRun(), settle_s=10.0)
    records = taken_while_it_pays(bank, act)
    assert len(bank.paid) == 1
    assert len(bank.asked) == 2, "a second look, once it could have arrived"
    assert isinstance(records[-1].event, e.ToolReturned), "learned late"


def test_its_own_word_comes_first_also_while_it_is_waited_for():
    async def act(bank: Bank, machine: Machine) -> None:
        began = asyncio.get_running_loop().time()
        result = await bank.agent(Process(machine)).resume("t", take=True)
        assert result.status == "answered"
        assert asyncio.get_running_loop().time() - began < 70

    bank = Bank(DidNotRun(), settle_s=600.0)
    records = taken_while_it_pays(bank, act)
    assert len(bank.paid) == 1
    assert decided(records) == []


def test_and_so_does_a_person_s():
    bank = Bank(DidNotRun(), settle_s=600.0)
    bank.takes_s = 60.0
    machine = Machine()

    async def whole() -> None:
        first = bank.agent(Process(machine), PAYS, says("Paid."))
        driving = asyncio.create_task(first.run("Pay.", thread="t"))
        await asyncio.sleep(1)
        runner = bank.agent(Process(machine))
        resuming = asyncio.create_task(runner.resume("t", take=True))
        await asyncio.sleep(5)
        turn = (await open_log("t", machine.rows, World())).state.turn
        assert turn
        [call_id] = turn.calls
        await runner.post("t", OutcomeDecided(call_id, "ran", "ann", "I see it"))
        assert (await resuming).status == "answered"
        await asyncio.gather(driving, return_exceptions=True)
        await asyncio.sleep(60)

    live(whole())


def test_under_a_key_it_runs_again_though_the_other_may_be_alive():
    async def act(bank: Bank, machine: Machine) -> None:
        bank.takes_s = 0.0
        result = await bank.agent(Process(machine)).resume("t", take=True)
        assert result.status == "answered"

    bank = Bank(DidNotRun(), honours_key=True)
    taken_while_it_pays(bank, act)
    assert len({each.idempotency_key for each in bank.paid}) == 1
    assert [each.attempt for each in bank.paid] == [1, 2]


def test_a_frozen_process_that_dies_while_it_is_waited_for_is_dead_from_then_on():
    bank = Bank(DidNotRun(), settle_s=20.0)
    bank.takes_s = 1e6
    machine = Machine()

    async def whole() -> None:
        process = Process(machine)
        first = bank.agent(process, PAYS, says("Paid."))
        frozen = asyncio.create_task(process.life(first.run("Pay.", thread="t")))
        await asyncio.sleep(1)
        bank.takes_s = 0.0
        began = asyncio.get_running_loop().time()
        resuming = asyncio.create_task(bank.agent(Process(machine)).resume("t", take=True))
        await asyncio.sleep(10)
        process.is_dead = True
        frozen.cancel()
        assert (await resuming).status == "answered"
        assert asyncio.get_running_loop().time() - began == pytest.approx(40.0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:  # what a dead process would have done
            task.cancel()
        await asyncio.wait({frozen, *left})

    live(whole())
    assert len(bank.asked) == 3
    assert [each.attempt for each in bank.paid] == [1, 2]


def test_a_tool_that_a_driver_has_left_running_in_its_thread_may_be_under_way():
    goes_on, began = threading.Event(), threading.Event()
    store = MemoryStore()
    paid = []

    @tool(verify=lambda: DidNotRun(), settle_s=5.0)
    def pay(euros: int) -> str:
        paid.append(euros)
        began.set()
        goes_on.wait(30)
        return f"paid {euros}"

    async def whole() -> None:
        first = agent(ScriptedModel([PAYS, says("Paid.")]), pay, store=store)
        running = asyncio.create_task(first.run("Pay.", thread="t"))
        await asyncio.to_thread(began.wait, 10)
        running.cancel()
        await asyncio.wait({running})

    async def stops() -> None:
        first = agent(ScriptedModel([PAYS, says("Paid.")]), pay, store=store)
        running = asyncio.create_task(first.run("Pay.", thread="t"))
        await asyncio.to_thread(began.wait, 10)
        await stop(grace_s=0.0)
        await asyncio.wait({running})

    async def again() -> Result:
        runner = agent(ScriptedModel([says("Paid.")]), pay, store=store)
        result = await runner.resume("t")
        goes_on.set()
        return result

    asyncio.run(stops())
    [pending] = live(again()).waiting
    assert "may be alive" in pending.reason
    assert paid == [5]


# Time-outs


def test_a_call_that_took_too_long_is_asked_about():
    bank = Bank(Ran("paid 5"), timeout_s=2.0)
    bank.takes_s = 60.0
    store = MemoryStore()
    runner = bank.agent(store, PAYS, says("Paid."))

    async def whole() -> None:
        assert (await runner.run("Pay.", thread="t")).answer == "Paid."
        records = await read(store)
        [failed] = [each.event for each in records if isinstance(each.event, e.ToolFailed)]
        assert (failed.kind, failed.unknown) == ("timeout", True)
        assert await replay(records, runner.run_settings) is None

    live(whole())
    assert shown(runner) == "paid 5"
    assert len(bank.paid) == 1


def test_it_runs_again_only_under_a_key_and_not_for_ever():
    bank = Bank(DidNotRun(), timeout_s=2.0, honours_key=True)
    bank.takes_s = 60.0
    runner = bank.agent(MemoryStore(), PAYS, says("Paid."))
    result = live(runner.run("Pay.", thread="t"))
    [pending] = result.waiting
    assert pending.reason == "verify says that it has had no effect; attempt 4 was cut off, too"
    assert [each.attempt for each in bank.paid] == [1, 2, 3, 4]
    assert len({each.idempotency_key for each in bank.paid}) == 1


def test_else_a_person_is_asked_as_its_process_lives():
    bank = Bank(DidNotRun(), timeout_s=2.0)
    bank.takes_s = 60.0
    result = live(bank.agent(MemoryStore(), PAYS).run("Pay.", thread="t"))
    [pending] = result.waiting
    assert "may be alive" in pending.reason
    assert len(bank.asked) == 2


def test_what_its_thread_still_returns_is_its_result():
    goes_on = threading.Event()

    @tool(verify=lambda: DidNotRun(), settle_s=20.0, timeout_s=0.2)
    def pay(euros: int) -> str:
        goes_on.wait(30)
        return f"paid {euros}"

    store = MemoryStore()
    runner = agent(ScriptedModel([PAYS, says("Paid.")]), pay, store=store)

    async def whole() -> None:
        asyncio.get_running_loop().call_later(1.0, goes_on.set)
        assert (await runner.run("Pay.", thread="t")).answer == "Paid."
        records = await read(store)
        assert decided(records) == []
        assert await replay(records, runner.run_settings) is None

    asyncio.run(whole())
    assert shown(runner) == "paid 5"


# Beside


def test_a_process_that_is_to_stop_lets_the_thread_go_while_it_waits():
    bank = Bank(DidNotRun())
    store = interrupted()

    async def whole() -> None:
        resuming = asyncio.create_task(bank.agent(store).resume("t"))
        await asyncio.sleep(5)
        assert await stop(grace_s=1.0) == ["t"]
        assert (await resuming).status == "unfinished"

    live(whole())
    result = live(bank.agent(store).resume("t"))
    assert result.status == "answered"
    assert len(bank.paid) == 1


def test_a_fork_asks_too_but_never_runs_what_the_other_thread_may_run():
    store = interrupted()
    bank = Bank(DidNotRun())

    async def whole() -> Result:
        copy = await fork(store, "t", world=World())
        return await bank.agent(store).resume(copy.thread_id)

    [pending] = live(whole()).waiting
    assert "may be alive" in pending.reason
    assert bank.paid == []


def test_the_call_of_a_child_is_asked_about_in_its_own_thread():
    bank = Bank(Ran("paid 5"))
    machine = Machine()

    def lead(process: Process, *script: Any) -> Agent:
        clerk = bank.agent(process, *script, name="clerk", description="Files.")
        return agent(
            ScriptedModel(
                [calls(("clerk", {"task": "pay"})), says("Led.")][bool(machine.attended) :]
            ),
            clerk.as_tool(),
            store=process,
        )

    async def whole() -> None:
        first = Process(machine, dies_at=10, written=True)
        assert await first.life(lead(first, PAYS).run("go", thread="t")) is None
        second = Process(machine)
        runner = lead(second, says("Filed."))
        assert await runner.due() == ["t"]
        assert (await runner.resume("t")).answer == "Led."

    live(whole())
    assert len(bank.asked) == 1


def test_steps_of_a_flow_have_it_from_their_tools():
    bank = Bank(Ran(["paid", 5]))
    machine = Machine()

    def bill(process: Process) -> Any:
        async def pay(euros: int, context: Context) -> list[Any]:
            bank.paid.append(context)
            return ["paid", euros]

        made = tool(verify=bank.verify)(pay)

        @flow(store=process)
        async def job(euros: int) -> list[Any]:
            return await step(made, euros=euros)  # type: ignore[no-any-return]

        return job

    async def whole() -> None:
        for dies_at in range(1, 6):
            bank.paid.clear()
            first = Process(machine, dies_at)
            killed = await first.life(bill(first).options(thread=f"t{dies_at}").run(euros=5))
            runner = bill(Process(machine))
            if killed is None and len(await read(machine.rows, f"t{dies_at}")):
                assert (await runner.resume(f"t{dies_at}")).output == ["paid", 5]
            log = await open_log(f"t{dies_at}", machine.rows, World())
            if log.records:
                assert await runner.replay(f"t{dies_at}") is None

    live(whole())
    assert bank.asked


def test_a_person_cannot_speak_for_it():
    store = interrupted()
    runner = Bank(Ran()).agent(store)
    for event in (OutcomeDecided(CALL, "ran", "verify"), OutcomeDecided(CALL, "unclear", "ann")):
        with pytest.raises(UsageError, match="only a tool's verify"):
            live(runner.post("t", event))


def test_it_is_explained_before_and_after():
    bank = Bank(CannotTell("the bank is closed"))
    store = interrupted()
    runner = bank.agent(store)
    told = explain(live(read(store)), runner.run_settings)
    assert told.next.startswith("ask the verify of pay what became of c00005000 pay(")
    assert told.waits_for == ()
    live(runner.resume("t"))
    records = live(read(store))
    told = explain(records, runner.run_settings)
    assert "(the bank is closed)" in told.waits_for[0]
    timeline = Timeline()
    lines = [str(timeline.line(record)) for record in records]
    assert any("nobody can tell, says verify: the bank is closed" in line for line in lines)


def test_where_the_tool_has_lost_it_a_person_is_asked_and_where_it_has_got_one_that_is():
    store = interrupted()
    bank = Bank(Ran("paid"))
    without = agent(ScriptedModel([]), tool(bank.pay), store=store)

    async def whole() -> None:
        assert (await without.resume("t")).status == "waiting"
        assert await without.due() == []
        assert (await bank.agent(store).resume("t")).status == "answered"

    live(whole())


def test_what_a_person_says_of_one_attempt_says_nothing_of_the_next():
    bank = Bank(CannotTell("no list"))
    machine = Machine()
    machine.rows = interrupted()

    async def whole() -> None:
        runner = bank.agent(Process(machine))
        [seen] = (await runner.resume("t")).waiting
        not_run = OutcomeDecided(CALL, "not_run", "ann", digest=seen.digest)
        await runner.post("t", not_run)
        second = Process(machine, dies_at=2, written=True)
        assert await second.life(bank.agent(second).resume("t")) is None
        [again] = (await runner.resume("t")).waiting
        assert again.digest != seen.digest
        with pytest.raises(IllegalEvent, match="has run again since"):
            await runner.post("t", replace(not_run, by="bob"))
        await runner.post("t", replace(not_run, by="bob", digest=again.digest))

    live(whole())


def test_a_call_that_is_checked_while_another_one_runs_is_replayed_as_it_was():
    @tool(idempotent=True)
    async def look() -> str:
        return "seen"

    async def answers_late() -> Ran:
        await asyncio.sleep(5)
        return Ran("paid 5")

    bank = Bank(answers_late)
    machine = Machine()
    process = Process(machine, dies_at=5, written=True)
    script = [calls(("pay", {"euros": 5}), "look")]
    first = agent(ScriptedModel(script), bank.tool, look, store=process)
    assert live(process.life(first.run("Pay.", thread="t"))) is None
    again = agent(ScriptedModel([says("Done.")]), bank.tool, look, store=machine.rows)

    async def whole() -> None:
        assert (await again.resume("t")).answer == "Done."
        records = await read(machine.rows)
        came = [type(each.event).__name__ for each in records[-6:]]
        assert came[:3] == ["ToolStarted", "ToolReturned", "OutcomeDecided"]
        assert await replay(records, again.run_settings) is None
        assert await replay(records) is None

    live(whole())
