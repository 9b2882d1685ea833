"""`treadle threads`, `show` and `tail`."""

import asyncio
import json
from contextlib import closing

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.stores.store import Row


def stored(thread_id: str, *events: e.Event) -> None:
    rows = [Row(seq, 100.0 + seq, encode_event(event)) for seq, event in enumerate(events, 1)]
    with closing(SQLiteStore()) as store:
        asyncio.run(store.append(thread_id, rows))


def talked(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    treadle("send it", "-t", "waits", agent="sends")
    treadle("Grüße", "-t", "greeting", agent="echoes")
    treadle("Grüße", "-t", "greeting-2", agent="denied")


def names(treadle: Treadle, *words: str) -> list[str]:
    return [line.split()[0] for line in treadle("threads", *words).out.splitlines()]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), ["greeting-2", "greeting", "waits", "sum"]),
        (("--status", "waiting"), ["waits"]),
        (("--status", "failed"), ["greeting-2"]),
        (("--text", "GRÜSSE"), ["greeting-2", "greeting"]),
        (("--text", "sum 3."), ["sum"]),
        (("--text", "' or 1 --"), []),
        (("--agent", "agent", "-n", "2"), ["greeting-2", "greeting"]),
        (("--agent", "nobody"), []),
    ],
)
def test_threads_are_found_by_status_agent_and_words(
    treadle: Treadle, filters: tuple[str, ...], found: list[str]
) -> None:
    talked(treadle)
    assert names(treadle, *filters) == found


def test_a_thread_has_its_first_words_turns_and_records(treadle: Treadle) -> None:
    treadle("one\nline \x1b[2J", "-t", "mine", agent="echoes")
    treadle("two", "-t", "mine", agent="echoes")
    out = treadle("threads").out
    assert "answered  2 turns  12 records  one line \\x1b[2J" in out
    [listed] = [json.loads(line) for line in treadle("threads", "--json").out.splitlines()]
    assert (listed["turns"], listed["first_message"]) == (2, "one\nline \x1b[2J")


def test_a_status_that_is_none_is_a_usage_error(treadle: Treadle) -> None:
    ran = treadle("threads", "--status", "happy")
    assert ran.code == 2
    assert "there are: answered, limit," in ran.err


def test_looking_makes_no_database(treadle: Treadle) -> None:
    folder = treadle.agents.parent
    assert treadle("threads").err == "there is no thread yet\n"
    assert treadle("show", "last").code == 2
    assert treadle("threads", "--db", str(folder / "typo.db")).code == 0
    assert [file.name for file in folder.iterdir() if file.suffix == ".db"] == []


@pytest.mark.parametrize(
    ("name", "thread"), [("su", "sum"), ("last", "greeting-2"), ("-", "greeting-2")]
)
def test_a_thread_can_be_named_by_its_beginning_or_as_the_last(
    treadle: Treadle, name: str, thread: str
) -> None:
    talked(treadle)
    assert treadle("show", name).out.startswith(f"thread {thread}\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gre", "2 threads begin with 'gre': greeting-2, greeting"),
        ("greting", "there is no thread 'greting' in this store; near it: greeting"),
        ("", "it is empty"),
    ],
)
def test_an_unclear_name_is_a_usage_error_that_names_those_near_it(
    treadle: Treadle, name: str, said: str
) -> None:
    talked(treadle)
    ran = treadle("show", name)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_an_exact_name_wins_over_a_longer_one(treadle: Treadle) -> None:
    talked(treadle)
    assert treadle("show", "greeting").out.startswith("thread greeting\n")


def test_show_tells_what_was_said_done_and_took(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    out = treadle("show", "mine").out
    lines = [line[15:] for line in out.splitlines()]
    assert lines[5] == "» 1+2?"
    assert lines[7] == "· model call 1, step: scripted"
    assert lines[8].startswith("« Let me add. | wants c00005000 add(a=1, b=2)  ")
    assert lines[9] == "→ add(a=1, b=2)"
    assert "answered: 2 steps, 1 tool call, " in out


def test_show_full_cuts_nothing_and_obeys_nothing(treadle: Treadle) -> None:
    said = "x" * 300 + "\n\x1b]0;evil\x07"
    stored("mine", e.ThreadStarted("a", "k"), e.UserSaid("go"), e.TurnEnded("failed", said))
    assert "x" * 300 not in treadle("show", "mine").out
    out = treadle("show", "mine", "--full").out
    assert "x" * 300 in out
    assert "│ \\x1b]0;evil\\x07" in out


def test_show_as_json_has_every_record_and_raw_what_is_stored(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    records = [json.loads(line) for line in treadle("show", "mine", "--json").out.splitlines()]
    raw = [json.loads(line) for line in treadle("show", "mine", "--raw").out.splitlines()]
    assert [record["event"] for record in records] == raw
    assert len(raw) == 11


def test_a_log_that_cannot_be_read_is_still_shown_raw(treadle: Treadle) -> None:
    stored("mine", e.ThreadStarted("a", "k"), e.ThreadStarted("a", "k"))
    for words in ((), ("--json",)):
        ran = treadle("show", "mine", *words)
        assert ran.code == 1
        assert "thread mine can't be read on: " in ran.err
        assert ran.err.endswith("; see treadle show --raw\n")
    assert treadle("show", "mine", "--raw").out.count("ThreadStarted") == 2
    assert "damaged" in treadle("threads").out


@pytest.mark.parametrize("which", ["2", "@9"])
def test_the_prompt_of_a_step_is_made_again_and_proved_by_its_hash(
    treadle: Treadle, which: str
) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("show", "mine", "--prompt", which, "--json", agent="agent")
    assert ran.code == 0
    assert "this is what scripted saw; prompt " in ran.err
    seen = json.loads(ran.out)
    assert [message["role"] for message in seen["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]
    assert [tool["function"]["name"] for tool in seen["tools"]] == [
        "add",
        "send",
        "slow",
        "ask_user",
    ]


def test_a_prompt_of_another_agent_is_not_passed_off_as_the_recorded_one(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("show", "mine", "--prompt", "1", "--system", "Be long.", agent="agent")
    assert ran.code == 1
    assert ran.out.startswith("── system ──\nBe long.\n── user ──\n1+2?\n")
    assert "NOT what the model saw: it saw prompt" in ran.err
    assert "since then the instructions have changed" in ran.err


def test_a_prompt_with_a_hash_of_an_older_kind_is_not_called_another(treadle: Treadle) -> None:
    called = e.ModelCalled("scripted", "0123456789abcdef", 9, 9)
    opening = (e.ThreadStarted("agent", "k"), e.ThreadClaimed("w"), e.UserSaid("1+2?"))
    stored("old", *opening, called)
    ran = treadle("show", "old", "--prompt", "1", agent="agent")
    assert ran.code == 0
    assert "an older Treadle wrote this record, whose prompt 0123456789abcdef can't be" in ran.err


@pytest.mark.parametrize("which", ["0", "3", "@4", "x"])
def test_a_prompt_that_there_is_not_names_those_there_are(treadle: Treadle, which: str) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("show", "mine", "--prompt", which, agent="agent")
    assert ran.code == 2
    assert "there are 2 model calls, from 1 or by record: @5, @9" in ran.err


def test_tail_shows_the_last_turn_and_leaves_with_its_exit_code(treadle: Treadle) -> None:
    treadle("one", "-t", "mine", agent="echoes")
    treadle("two", "-t", "mine", "--max-steps", "1", agent="limited")
    ran = treadle("tail", "--until-end")
    assert ran.code == 3
    assert "» two" in ran.out
    assert "» one" not in ran.out
    assert "! limit: steps" in ran.out
