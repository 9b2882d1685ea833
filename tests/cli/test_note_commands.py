"""`treadle notes`: notes listed, searched, added, forgotten, exported and extracted."""

import json
import sqlite3
import stat
from contextlib import closing

import pytest

from cli.commandline import AGENTS, Treadle

MORE = """
import json
SUM = {"text": "the sum of one and two \\x1b[2J is 3", "seq": 3, "about": "sum"}
FACTS = [SUM, {"text": "x", "seq": 99}]
NOTHING = '{"value": []}'
notes = made(says(json.dumps({"value": FACTS})), says(NOTHING))
none = made(says(NOTHING), says(NOTHING))
"""


def added(treadle: Treadle, *words: str) -> str:
    """The id of a new note."""
    ran = treadle("notes", "add", *words)
    assert ran.code == 0, ran.err
    return ran.out.strip()


@pytest.mark.slow
def test_a_note_is_added_listed_found_and_forgotten(treadle: Treadle) -> None:
    note = added(treadle, "Ann is vegan", "--about", "diet", "--scope", "user:ann")
    [row] = treadle("notes", "list").out.splitlines()
    assert row.split()[0] == note
    assert row.endswith("user:ann  user  diet: Ann is vegan")
    assert treadle("notes", "search", "who", "is", "vegan").out.startswith(note)
    assert treadle("db", "check").code == 0
    ran = treadle("notes", "forget", note[:6])
    assert (ran.code, ran.err) == (0, f"forgotten: {note} Ann is vegan\n")
    assert treadle("notes", "list", "--all").err == "there is no note yet\n"


def test_a_note_takes_the_place_of_what_it_names_alone(treadle: Treadle) -> None:
    old = added(treadle, "Ann eats fish", "--about", "diet")
    ran = treadle("notes", "add", "Ann loves rice", "--about", "diet")
    assert ran.err == f"{ran.out.strip()}: about the same there is {old} Ann eats fish\n"
    ran = treadle("notes", "add", "Ann is vegan", "--replaces", old[:8])
    new = ran.out.strip()
    assert ran.err == f"{new}: it takes the place of {old} Ann eats fish\n"
    assert {line.split()[0] for line in treadle("notes", "list").out.splitlines()} >= {new}
    assert f"replaced by {new})" in treadle("notes", "list", "--all").out
    again = treadle("notes", "add", "ann is vegan!")
    assert (again.out.strip(), again.err) == (
        new,
        f"{new}: was noted already; it has the newer date now\n",
    )
    ran = treadle("notes", "add", "x", "--replaces", new, "--scope", "user:ann")
    assert (ran.code, "of the scope user; a note replaces one of its own" in ran.err) == (2, True)
    assert "there is no note" in treadle("notes", "add", "x", "--replaces", "nope").err


def test_a_correction_takes_the_place_and_why_tells_the_story(treadle: Treadle) -> None:
    old = added(treadle, "Ann eats fish", "--about", "diet", "--scope", "user:ann")
    beside = added(treadle, "Ann loves rice", "--about", "diet", "--scope", "user:ann")
    ran = treadle("notes", "correct", old[:7], "Ann is vegan")
    new = ran.out.strip()
    assert ran.err.splitlines()[0] == f"{new}: it takes the place of {old} Ann eats fish"
    first, *lines = treadle("notes", "why", new).out.splitlines()
    assert first.endswith("user:ann  user  diet: Ann is vegan")
    assert [line.strip() for line in lines[1:]] == [
        "origin user: nothing from outside had been read there",
        f"it took the place of {old} Ann eats fish",
        f"about the same there is {beside} Ann loves rice",
    ]
    assert f"its place was taken by {new} Ann is vegan" in treadle("notes", "why", old).out
    ran = treadle("notes", "correct", old, "again")
    assert ran.code == 2
    assert f"has been replaced already, by {new}; correct that one" in ran.err
    told = json.loads(treadle("notes", "why", new, "--json").out)
    assert (told["note"]["id"], [each["id"] for each in told["replaced"]]) == (new, [old])


def test_why_shows_what_was_said_in_the_thread_safely(treadle: Treadle) -> None:
    treadle.agents.write_text(AGENTS + MORE)
    treadle("1+2?", "-t", "mine", agent="agent")
    treadle("notes", "extract", "mine", agent="notes")
    [row] = treadle("notes", "list").out.splitlines()
    out = treadle("notes", "why", row.split()[0]).out
    assert "noted in thread mine, record 3, " in out
    assert "  record 3, person: 1+2?\n" in out
    assert "\x1b" not in out


@pytest.mark.slow
def test_scopes_and_expiry_are_shown_and_go_by(treadle: Treadle) -> None:
    added(treadle, "The fair is on Monday", "--days", "2", "--scope", "project:fair")
    added(treadle, "Ann is vegan")
    assert " (until " in treadle("notes", "list", "--scope", "project:fair").out
    assert len(treadle("notes", "list").out.splitlines()) == 2
    assert (
        treadle("notes", "search", "vegan", "--scope", "project:loom").err
        == "no note has to do with these words\n"
    )


def test_json_is_one_note_a_line_and_export_has_the_replaced_ones_too(treadle: Treadle) -> None:
    old = added(treadle, "Ann eats fish", "--about", "diet")
    new = added(treadle, "Ann is vegan", "--about", "diet", "--replaces", old)
    [line] = treadle("notes", "list", "--json").out.splitlines()
    assert json.loads(line)["text"] == "Ann is vegan"
    out = treadle.agents.parent / "notes.jsonl"
    assert treadle("notes", "export", "-o", str(out)).err == f"2 notes in {out}\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text() == treadle("notes", "export").out
    first, second = map(json.loads, out.read_text().splitlines())
    assert (first["id"], first["replaced_by"], second["id"]) == (old, new, new)


def test_notes_are_extracted_from_a_thread_and_shown_safely(treadle: Treadle) -> None:
    treadle.agents.write_text(AGENTS + MORE)
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("notes", "extract", "mi", agent="notes")
    assert ran.code == 0, ran.err
    assert "sum: the sum of one and two [2J is 3" in ran.out
    assert "\x1b" not in ran.out
    assert ran.err == "1 notes from thread mine; 1 dropped: they named no part of it\n"
    again = treadle("notes", "extract", "mine", "--json", agent="notes")
    assert json.loads(again.out)["seq"] == 3
    assert len(treadle("notes", "list").out.splitlines()) == 1
    assert "mine.notes11" in treadle("threads", "--all").out


def test_the_last_thread_is_the_person_s_own_and_a_beginning_stands_for_it(
    treadle: Treadle,
) -> None:
    treadle.agents.write_text(AGENTS + MORE)
    treadle("1+2?", "-t", "mine", agent="agent")
    own = treadle("show", "mine").out
    treadle("notes", "extract", "mine", agent="notes")
    assert treadle("show", "last").out == own
    assert treadle("show", "mi").out == own
    assert treadle("-c", "again?", agent="agent").code == 0
    assert "again?" in treadle("show", "mine").out


def test_a_thread_with_nothing_to_note_says_so(treadle: Treadle) -> None:
    treadle.agents.write_text(AGENTS + MORE)
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("notes", "extract", "mine", agent="none")
    assert (ran.code, ran.out, ran.err) == (0, "", "0 notes from thread mine\n")


def test_looking_makes_no_database(treadle: Treadle) -> None:
    for words in (("list",), ("search", "x"), ("export",)):
        assert treadle("notes", *words).code == 0
    assert not (treadle.agents.parent / "logs.db").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", " "), "a note needs a text"),
        (("add", "x" * 3000), "3,000 characters"),
        (("add", "x", "--scope", "me"), "'me' is no scope"),
        (("add", "x", "--days", "-1"), "more than 0"),
        (("add", "x", "--replaces", "nobody"), "there is no note 'nobody'"),
        (("list", "--scope", "me"), "'me' is no scope"),
        (("forget", "nobody"), "there is no note 'nobody'"),
        (("forget", ""), "it is empty"),
        (("extract", "nobody"), "there is no thread 'nobody'"),
        (("export", "-o", "/nowhere/at/all"), "can't be written"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    treadle: Treadle, words: tuple[str, ...], said: str
) -> None:
    ran = treadle(
        "notes", *words, *(("-m", "http://127.0.0.1:1/v1#x") if words[0] == "extract" else ())
    )
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_beginning_that_several_ids_have_forgets_nothing(treadle: Treadle) -> None:
    for text in ("one", "two"):
        added(treadle, text)
    ran = treadle("notes", "forget", "n")
    assert (ran.code, ran.err) == (
        2,
        "error: 2 notes begin with 'n'; see treadle notes list --all\n",
    )


def test_text_that_a_terminal_would_obey_is_shown_as_escapes(treadle: Treadle) -> None:
    added(treadle, "plain")
    with closing(sqlite3.connect(treadle.agents.parent / "logs.db")) as db:
        db.execute(
            "update note set text = 'red ' || char(27) || '[31m'"
        )  # as another program may have written it
        db.commit()
    assert "red \\x1b[31m" in treadle("notes", "list").out


def test_a_question_about_memory_is_told_how_to_be_asked(treadle: Treadle) -> None:
    ran = treadle("notes", "leaks", "in", "python")
    assert ran.code == 2
    assert ran.err.endswith("was it a question? treadle -- notes leaks in python\n")


def test_ids_of_a_file_that_somebody_hands_over_are_made_safe(treadle: Treadle) -> None:
    note = added(treadle, "Ann is vegan", "--about", "diet")
    with closing(sqlite3.connect(treadle.agents.parent / "logs.db")) as db, db:
        db.execute("update note set id = 'n\x1b[2J' where id = ?", (note,))
    again = treadle("notes", "add", "Ann is vegan")
    newer = treadle("notes", "add", "Ann eats fish", "--about", "diet")
    gone = treadle("notes", "forget", "n\x1b")
    assert gone.err == "forgotten: n\\x1b[2J Ann is vegan\n"
    assert "\x1b" not in again.out + again.err + newer.out + newer.err
