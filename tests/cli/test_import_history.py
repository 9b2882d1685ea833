"""`db import --openai` makes threads of histories; `show --openai` makes a history of a thread."""

import json
from pathlib import Path

import pytest

from cli.commandline import Treadle

TALK = [
    {"role": "system", "content": "Rhyme."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi!"},
]


def test_a_history_waits_to_be_adopted_and_then_goes_on(treadle: Treadle, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps(TALK), "utf8")
    done = treadle("db", "import", "--openai", str(file), "-t", "talk")
    assert (done.code, done.out) == (0, "")
    assert "1 thread added" in done.err
    assert "then adopt it: treadle adopt talk" in done.err
    assert "nobody has adopted it" in treadle("And?", "-t", "talk", agent="echoes").err
    assert treadle("adopt", "talk").code == 0
    assert treadle("And?", "-t", "talk", agent="echoes").out == "4: And?\n"
    assert treadle("db", "check").code == 0
    assert "Hello" in treadle("threads").out  # and not the instructions
    assert "nobody recorded what the model saw" in treadle("show", "talk", "--prompt", "1").err
    refused = treadle("replay", "talk")
    assert refused.code == 2
    assert "brought in as messages" in refused.err
    assert treadle("stats", "talk").code == 0


def test_a_thread_goes_out_and_comes_back(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    out = treadle("show", "sum", "--openai").out
    assert [each["role"] for each in json.loads(out)["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant")
    ]
    done = treadle("db", "import", "--openai", "-", "-t", "again", stdin=out.encode())
    assert done.code == 0
    again = json.loads(treadle("show", "again", "--openai").out)
    assert again["model"] == "scripted"
    assert again["tools"] == json.loads(out)["tools"]
    assert [each["role"] for each in again["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant")
    ]


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(json.dumps({"messages": TALK}) for _ in range(2)),
        json.dumps([TALK, TALK]),
        json.dumps([{"messages": TALK, "model": "m"}, TALK]),
    ],
)
def test_a_file_may_have_several_histories(treadle: Treadle, data: str) -> None:
    done = treadle("db", "import", "--openai", "-", "-t", "set", stdin=data.encode())
    assert "2 threads added" in done.err
    assert "treadle adopt set-1; treadle adopt set-2" in done.err


def test_lines_of_messages_are_one_history(treadle: Treadle) -> None:
    data = "\n\n".join(map(json.dumps, TALK)).encode()
    done = treadle("db", "import", "--openai", "-", "-t", "lines", stdin=b"\xef\xbb\xbf" + data)
    assert "1 thread added" in done.err


def test_what_is_lost_is_said(treadle: Treadle) -> None:
    talk = [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f\x1b7"}}]}]
    done = treadle("db", "import", "--openai", "-", "-t", "t", stdin=json.dumps(talk).encode())
    assert "thread t lacks the file file, which the provider keeps as f\\x1b7" in done.err


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("", "the file is empty; it must be a list of messages"),
        ("[]", "the file has no message"),
        ("{", "the file isn't JSON"),
        (b'[{"role": "user", "content": "caf\xe9"}]', "its text isn't UTF-8"),
        (b'{"messages": []}\n{"a": "\xe9"}', "line 2 isn't JSON: its text isn't UTF-8"),
        ("[" * 100_000, "nested more than 64 deep"),
        ('[{"role": "user", "content": ' + "[" * 200 + "]" * 200 + "}]", "nested more than"),
        ('{"role": "user", "content": "a"}\n{', "line 2 isn't JSON"),
        ('{"prompt": "a"}', "history 1 is none: it must be"),
        ('[{"role": "bot"}]', "message 1: its role is 'bot'"),
        ('{"messages": []}', "with at least one in it"),
        ('{"messages": 7}', "must be a list of messages"),
    ],
)
def test_what_is_no_history_is_refused_and_nothing_is_written(
    treadle: Treadle, data: str | bytes, told: str
) -> None:
    given = data.encode() if isinstance(data, str) else data
    done = treadle("db", "import", "--openai", "-", stdin=given)
    assert done.code == 2
    assert told in done.err
    assert "nothing was imported" in done.err
    assert treadle("threads").out == ""


def test_names_that_are_taken_and_files_that_are_not_there(treadle: Treadle) -> None:
    data = json.dumps(TALK).encode()
    assert treadle("db", "import", "--openai", "-", "-t", "t", stdin=data).code == 0
    assert "already in this store" in (
        treadle("db", "import", "--openai", "-", "-t", "t", stdin=data).err
    )
    assert "can't be read: No such file" in treadle("db", "import", "--openai", "gone").err
    assert "--thread is for --openai" in treadle("db", "import", "x", "-t", "t").err
