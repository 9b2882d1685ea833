"""`treadle approve`, `answer`, `decide`, `cancel` and `fork`.

What they write, and what they refuse to.
"""

import asyncio
import shlex

import pytest
from msgspec.structs import replace

from cli.commandline import Treadle
from cli.test_ask_person import crashed
from cli.test_chat import events
from cli.test_show import stored
from treadle.core import events as e

CALL = e.Call("c00005000", "send", "{}")
ASKED = (
    e.ModelCalled("scripted", "hash", 10, 10),
    e.ModelReplied((CALL,), e.Usage(10, 5), 0.1),
    e.ApprovalAsked(CALL.id),
)
LATE = (
    "approve mine c9",
    "approve mine c00005000",
    "approve mine",
    "approve mine --deny",
    "settle mine --tell",
)


def test_approve_runs_the_call_when_the_turn_is_resumed(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    ran = treadle("approve", "mine", "--by", "ann", "--always")
    assert (ran.code, ran.out) == (0, "")
    assert 'allowed: c00005000 send\n  to: "bob\\u001b[2J"\n' in ran.err
    assert "go on: treadle resume mine" in ran.err
    assert (
        "allowed from now on: send with any arguments, until the turn ends; take it back: treadle"
        " revoke mine c00005000" in ran.err
    )
    given = events("mine")[-1]
    assert replace(given, digest="") == e.ApprovalGiven("c00005000", True, "ann", always=e.Always())
    assert given.digest
    assert treadle("resume", "mine", agent="echoes").out.startswith("4: sent line 1")


def test_always_can_be_for_some_arguments_only(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="twice")
    ran = treadle("approve", "mine", "c00005000", "--always", "--only", "to=a*", "--only", "text=*")
    assert "allowed from now on: send where to is a*, until the turn ends" in ran.err
    assert events("mine")[-1].always == e.Always({"to": "a*"})
    found = treadle("explain", "mine", agent="twice").out
    assert "allowed beforehand:\n  send where to is a*, until the turn ends; allowed for" in found
    assert "  treadle revoke mine c00005000" in found


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--only", "to=a"), "--only says which further calls are allowed; say --always, too"),
        (("--always", "--only", "to"), "--only takes NAME=GLOB, such as path='docs/*'; not 'to'"),
        (("--always", "--only", "to=c*"), "'to=c*' doesn't fit this call itself, whose to is 'a'"),
        (("--always", "--only", "to=a", "--only", "to=*"), "--only names to twice"),
    ],
)
def test_a_pattern_that_allows_nothing_is_refused(treadle: Treadle, words, wrong) -> None:
    treadle("send it", "-t", "mine", agent="twice")
    before = events("mine")
    ran = treadle("approve", "mine", "c00005000", *words)
    assert ran.code == 2
    assert wrong in ran.err
    assert events("mine") == before


def test_a_pattern_for_an_argument_that_the_tool_lacks_is_refused(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    ran = treadle("approve", "mine", "--always", "--only", "path=*", agent="sends")
    assert "send takes no path; it takes: text, to" in ran.err


def test_revoke_takes_back_what_always_allowed(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="twice")
    treadle("approve", "mine", "c00005000", "--always")
    late = treadle("approve", "mine", "c00005000", "--deny")
    assert "what else that allowed is taken back by treadle revoke" in late.err
    ran = treadle("revoke", "mine", "--by", "bob", "--why", "too much")
    assert (ran.code, ran.err) == (0, "revoked: send with any arguments, until the turn ends\n")
    assert events("mine")[-1] == e.ApprovalGiven("c00005000", False, "bob", "too much")
    assert "bob takes back what c00005000 send allowed beforehand" in treadle("show", "mine").out
    assert treadle("resume", "mine", agent="echoes").code == 4
    assert [type(each) for each in events("mine")][-1] is e.ToolReturned
    assert e.ApprovalAsked("c00005001", "send needs approval") in events("mine")[-4:]


def test_revoke_says_what_there_is_to_take_back(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="twice")
    none = treadle("revoke", "mine")
    assert (none.code, none.err) == (2, "error: nothing is allowed beforehand in thread mine\n")
    treadle("approve", "mine", "c00005000", "--always", "--only", "text=1")
    treadle("approve", "mine", "c00005001", "--always", "--only", "text=2")
    several = treadle("revoke", "mine")
    assert several.code == 2
    assert "say which CALL allowed what is to be revoked: send where text is 1" in several.err
    wrong = treadle("revoke", "mine", "c9")
    assert "call c9 of thread mine has allowed no others; allowed are: send where" in wrong.err
    assert treadle("revoke", "mine", "c00005001").code == 0
    assert treadle("revoke", "mine").code == 0


def test_approve_can_go_on_at_once(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    ran = treadle("approve", "mine", "--resume", agent="echoes")
    assert (ran.code, ran.out[:9]) == (0, "4: sent l")


def test_edited_arguments_run_and_bad_ones_are_refused(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    bad = treadle("approve", "mine", "--edit", '{"to": 1}', agent="sends")
    assert bad.code == 2
    assert "those arguments won't do:" in bad.err
    unknown = treadle("approve", "mine", "--edit", '{"to": "eve", "text": "x"}')
    assert "nobody here knows what send takes; name the agent that has it: --agent" in unknown.err
    ran = treadle("approve", "mine", "--edit", '{"to": "eve", "text": "x"}', "-r", agent="echoes")
    assert ran.out == (
        '4: A person changed the arguments of this call before it ran, to: {"to":"eve","text":"x"}\n'
        "sent x to eve\n"
    )


def test_why_a_call_was_allowed_is_kept_in_the_log(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    assert treadle("approve", "mine", "--by", "ann", "--why", "bob asked for it").code == 0
    given = replace(events("mine")[-1], digest="")
    assert given == e.ApprovalGiven("c00005000", True, "ann", "bob asked for it")


@pytest.mark.parametrize("words", ["approve mine", "fork mine --no-run"])
def test_how_to_go_on_names_the_agent_that_is_needed(treadle: Treadle, words: str) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    ran = treadle(*words.split(), "--db", str(treadle.agents.parent / "logs.db"))
    thread = ran.out.strip() or "mine"
    db = f"--db {treadle.agents.parent / 'logs.db'}"
    assert (
        f"go on: treadle resume {thread} --agent MODULE:NAME {db} (with the agent agent)\n"
        in ran.err
    )


def test_going_on_without_the_agent_is_refused_before_anything_is_written(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    before = events("mine")
    for words in (("approve", "mine", "--resume"), ("resume", "mine")):
        ran = treadle(*words)
        assert ran.code == 2
        assert (
            "this is a thread of the agent agent, not of Treadle's own; it takes --agent"
            " MODULE:NAME" in ran.err
        )
        assert "since then" not in ran.err
    assert events("mine") == before


def test_an_own_agent_whose_thread_it_is_needs_no_naming(treadle: Treadle) -> None:
    stored("mine", e.ThreadStarted("treadle", "k"), e.ThreadClaimed("w"), e.UserSaid("go"), *ASKED)
    assert treadle("approve", "mine").err.endswith("go on: treadle resume mine\n")


def test_deny_tells_the_model_why(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    ran = treadle("approve", "mine", "--deny", "--why", "too rude", "-r", agent="echoes")
    assert ran.out == "4: error: a person refused this call: too rude\n"


@pytest.mark.parametrize("words", [("--deny", "--always"), ("--deny", "--edit", "{}")])
def test_options_that_contradict_each_other_are_refused(
    treadle: Treadle, words: tuple[str, ...]
) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    assert treadle("approve", "mine", *words).code == 2
    assert isinstance(events("mine")[-1], e.ApprovalAsked)


def test_of_several_calls_one_must_be_named(treadle: Treadle) -> None:
    treadle("send", "-t", "mine", agent="twice")
    ran = treadle("approve", "mine")
    assert ran.code == 2
    assert (
        '2 calls of thread mine are open, say which: c00005000 send(to="a", text="1"), c00005001'
        in ran.err
    )
    assert treadle("approve", "mine", "c00005001").code == 0
    assert treadle("approve", "mine").code == 0


@pytest.mark.parametrize("words", LATE)
def test_a_late_or_second_decision_writes_nothing_and_says_why(
    treadle: Treadle, words: str
) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    treadle("approve", "mine", "--by", "ann")
    before = events("mine")
    ran = treadle(*words.split())
    assert ran.code == 2
    assert events("mine") == before
    assert words == LATE[0] or "c00005000" in ran.err
    assert words == LATE[0] or "was allowed already, by ann at " in ran.err


def test_a_question_is_answered(treadle: Treadle) -> None:
    asked = treadle("paint", "-t", "mine", agent="asks").err
    assert asked.endswith("asks TEXT\n")
    assert "or from elsewhere: treadle answer mine --agent" in asked
    assert treadle("answer", "mine", "  ").code == 2
    assert treadle("approve", "mine").code == 2
    ran = treadle("answer", "mine", "blue", "-r", agent="echoes")
    assert ran.out == "4: blue\n"
    again = treadle("answer", "mine", "red")
    assert (again.code, again.err) == (
        2,
        "error: no call of thread mine asks a question; its last turn has ended: answered\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tell",), "4: error: the call was interrupted, and nobody knows"),
        (("--ran", "--result", "it was sent"), "4: it was sent\n"),
        (("--not-run",), "4: sent b to a\n"),
    ],
)
def test_an_interrupted_call_is_decided_on(
    treadle: Treadle, words: tuple[str, ...], told: str
) -> None:
    asyncio.run(crashed("mine"))
    assert treadle("settle", "mine", *words, "--why", "I looked").code == 0
    assert events("mine")[-1].reason == "I looked"
    assert treadle("resume", "mine", agent="echoes").out.startswith(told)


@pytest.mark.parametrize("words", [(), ("--ran", "--tell"), ("--result", "x", "--not-run")])
def test_an_outcome_is_one_of_three(treadle: Treadle, words: tuple[str, ...]) -> None:
    asyncio.run(crashed("mine"))
    assert treadle("settle", "mine", *words).code == 2


def test_resume_says_how_the_agent_has_changed_before_it_goes_on(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    treadle("approve", "mine")
    err = treadle("resume", "mine", "--system", "Be rude.", "--tools", "send", agent="echoes").err
    assert err.index("since then the instructions have changed") < err.index("→ send")
    assert "since then the tool add is gone" in err


def test_cancel_ends_the_turn_once(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    assert treadle("cancel", "mine", "--by", "ann", "--why", "too late").code == 0
    assert events("mine")[-1] == e.TurnEnded("cancelled", "by ann: too late")
    ran = treadle("cancel", "mine")
    assert (ran.code, ran.err) == (
        2,
        "error: there is no turn to cancel: its last turn has ended: cancelled\n",
    )


def test_a_fork_with_another_message_goes_on_and_leaves_the_parent(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    before = events("mine")
    ran = treadle("fork", "mine", "--edit", "and now?", agent="echoes")
    assert ran.out == "2: and now?\n"
    assert "forked from mine" in ran.err
    assert events("mine") == before


def test_a_fork_lists_what_stays_done(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    treadle("approve", "mine", "-r", agent="echoes")
    ran = treadle("fork", "mine", "--no-run", agent="echoes")
    assert ran.code == 0
    assert isinstance(events(ran.out.strip())[-1], e.ThreadForked)
    assert "stays done; they are not run again:\n  send(to=" in ran.err
    assert f"go on: treadle -t {ran.out.strip()}" in ran.err


def test_a_fork_of_another_agent_s_thread_is_made_and_runs_nothing(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    ran = treadle("fork", "mine", "--at", "3")
    assert ran.code == 0
    assert isinstance(events(ran.out.strip())[-1], e.ThreadForked)
    assert f"treadle resume {ran.out.strip()} --agent MODULE:NAME" in ran.err


def test_calls_of_read_only_tools_are_no_warning(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    assert "stays done" not in treadle("fork", "mine", agent="agent").err


def test_a_fork_at_a_record_that_is_no_message_is_refused(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("fork", "mine", "--at", "5", "--edit", "x", agent="agent")
    assert ran.code == 2
    assert "record 5 opens no turn, so it can't be edited; those that do: 3" in ran.err


def test_the_command_that_goes_on_has_the_agent_s_options(treadle: Treadle) -> None:
    given = ("--tools", "send", "--max-cost", "0.5", "--system", "Be kind.", "-o", "temperature=0")
    options = "-o temperature=0 --tools send --system 'Be kind.' --max-cost 0.5"
    ran = treadle("send it", "-t", "mine", *given, agent="sends")
    go_on = f"treadle resume mine --agent {treadle.agents}:sends {options}\n"
    assert go_on in ran.err
    command = shlex.split(ran.err.rpartition("or from elsewhere: ")[2])
    allowed = treadle(*command[1:])
    assert (allowed.code, go_on in allowed.err) == (0, True)


def test_a_command_that_needs_no_agent_is_given_no_options_of_one(treadle: Treadle) -> None:
    exported = str(treadle.agents.with_name("export.jsonl"))
    treadle("send it", "-t", "mine", agent="sends")
    treadle("db", "export", "-o", exported)
    treadle("delete", "mine", "--yes")
    treadle("db", "import", exported)
    shown = treadle("show", "mine", agent="sends").out
    assert shown.endswith("does nothing before you adopt it: treadle adopt mine\n")
