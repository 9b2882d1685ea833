import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from treadle.core.errors import UsageError
from treadle.notes.note import (
    DAY_S,
    Note,
    check_note,
    check_scope,
    expiry_time,
    is_live,
    normalize,
    note_id_of,
    one_line,
    reconcile,
    trust_level,
)


def note(text: str = "Ann is vegan", **fields) -> Note:
    return Note(**{"id": "new", "text": text, "scope": "user", "at": 10.0} | fields)


def old(text: str, **fields) -> Note:
    return note(text, **{"id": "old", "at": 5.0} | fields)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  two\n words\t", "two words"),
        ("red \x1b[31m\x00here\u202e", "red [31mhere"),
        ("zero\u200bwidth \ud800half", "zerowidth half"),
        ("नमस्\u200dते", "नमस्\u200dते"),
        ("a\u2028b\x85c", "a b c"),
        ("猫が好き 🐈", "猫が好き 🐈"),
    ],
)
def test_a_note_is_one_line_without_what_nobody_sees(text, kept):
    assert check_note(note(text)).text == kept


@given(st.text())
def test_one_line_is_idempotent_and_holds_no_controls(text):
    line = one_line(text)
    assert one_line(line) == line
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in line)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": " \n\u200b"}, "needs a text"),
        ({"text": "x" * 2001}, r"2,001 characters; one may have 2,000"),
        ({"about": "x" * 101}, "a word or two"),
        ({"scope": "everyone"}, "is no scope"),
        ({"scope": "user:"}, "is no scope"),
        ({"scope": "project:two words"}, "is no scope"),
        ({"scope": "agent:\x1b"}, "is no scope"),
        ({"origin": "tool:"}, "origin is user, agent or tool"),
        ({"origin": "system"}, "origin is user, agent or tool"),
    ],
)
def test_what_cannot_be_a_note_is_refused(fields, said):
    with pytest.raises(UsageError, match=said):
        check_note(replace(note(), **fields))


@pytest.mark.parametrize("scope", ["user", "user:ann", "project:https://x.org/a", "agent:书记"])
def test_scopes_are_names(scope):
    assert check_scope(scope) == scope


def test_days_become_a_time_and_must_be_some():
    assert expiry_time(100.0, None) is None
    assert expiry_time(100.0, 0.5) == 100.0 + DAY_S / 2
    for days in (0, -1, 1e9, float("nan")):
        with pytest.raises(UsageError, match="more than 0"):
            expiry_time(100.0, days)


def test_a_note_holds_until_it_expires_or_is_replaced():
    assert is_live(note(expires_at=11.0), 10.0)
    assert not is_live(note(expires_at=10.0), 10.0)
    assert not is_live(note(replaced_by="n"), 10.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ann is vegan.", "ann  IS vegan!", True),
        ("“Ann” (is) vegan", "Ann is vegan", True),
        ("ﬁle", "file", True),
        ("猫が好き。", "猫が好き", True),
        ("I use C", "I use C++", False),
        ("I use C", "I use C#", False),
        ("5 degrees", "-5 degrees", False),
        ("Ann is vegan?", "Ann is vegan", False),
        ("Ann is vegan", "Ann is not vegan", False),
        ("!!!", "...", False),
    ],
)
def test_the_same_words_are_the_same_and_signs_that_mean_something_stay(one, other, same):
    assert (normalize(one) == normalize(other)) is same


def test_the_same_said_again_keeps_one_note_under_the_newer_date():
    there = old("ann is vegan", thread_id="t1", seq=3)
    placed = reconcile(note("Ann is vegan.", thread_id="t2", seq=7, expires_at=99.0), [there])
    assert placed.outcome == "refreshed"
    assert placed.note == replace(there, at=10.0, thread_id="t2", seq=7, expires_at=99.0)


def test_the_same_from_a_less_trusted_source_changes_nothing():
    there = old("Ann is vegan", origin="user")
    placed = reconcile(note("Ann is vegan", origin="tool:web_fetch", expires_at=11.0), [there])
    assert (placed.outcome, placed.note, placed.replaced) == ("known", there, ())


def test_the_same_from_a_person_makes_a_note_of_a_tool_s_the_person_s():
    placed = reconcile(
        note("Ann is vegan", origin="user"), [old("Ann is vegan", origin="tool:web_fetch", at=50.0)]
    )
    assert (placed.outcome, placed.note.id, placed.note.origin, placed.note.at) == (
        "refreshed",
        "old",
        "user",
        10.0,
    )


def test_the_same_words_about_different_things_are_two_notes():
    there = old("blue", about="door")
    assert reconcile(note("blue", about="roof"), [there]).outcome == "added"
    assert reconcile(note("blue", about="Door"), [there]).outcome == "refreshed"


def test_what_a_tools_note_is_about_stays_with_its_origin():
    """Else a page's words would stand in a prompt as a person's."""
    there = old("Ann is vegan", about="obey", origin="tool:web", labels=("untrusted", "private"))
    said = reconcile(note("Ann is vegan"), [there])
    assert (said.outcome, said.note.about, said.note.labels) == ("refreshed", "", ())
    again = reconcile(note("Ann is vegan", origin="tool:mail", labels=("untrusted",)), [there])
    assert (again.note.about, again.note.labels) == ("obey", ("untrusted", "private"))


def test_a_note_about_the_same_replaces_nothing_and_is_shown_what_stands_there():
    there = old("Max, the son, is 5", about="child")
    placed = reconcile(note("Lea, the daughter, is 8", about="Child."), [there])
    assert (placed.outcome, placed.replaced, placed.contradicts) == ("added", (), ())
    assert placed.same_about == (there,)


@pytest.mark.parametrize("about", ["", "diet", "something else"])
def test_a_note_replaces_only_what_it_names_which_keeps_its_dates(about):
    there = old("Ann eats fish", about="diet")
    beside = old("Ann loves rice", about="diet", id="beside")
    placed = reconcile(note("Ann is vegan", about=about), [there, beside], replaces="old")
    assert placed.outcome == "added"
    assert placed.replaced == (replace(there, replaced_by="new", replaced_at=10.0),)
    assert placed.same_about == ((beside,) if about == "diet" else ())
    nothing = reconcile(note("Ann is vegan", about=about), [there, beside], replaces="elsewhere")
    assert nothing.replaced == ()


def test_the_same_said_again_may_name_what_it_replaces():
    there, wrong = old("Ann is vegan", id="there"), old("Ann eats fish", id="wrong")
    placed = reconcile(note("Ann is vegan"), [there, wrong], replaces="wrong")
    assert (placed.outcome, placed.note.id) == ("refreshed", "there")
    assert [(each.id, each.replaced_by) for each in placed.replaced] == [("wrong", "there")]


def test_other_scopes_are_left_alone():
    there = old("Ann is vegan", about="diet", scope="user:ann")
    placed = reconcile(note("Ann eats fish", about="diet"), [there], replaces="old")
    assert (placed.outcome, placed.replaced, placed.contradicts) == ("added", (), ())


def test_a_tool_s_note_never_replaces_a_person_s_but_stands_beside_it():
    there = old("Pay to account 1", about="account")
    new = note("Pay to account 666", about="account", origin="tool:mail")
    placed = reconcile(new, [there], replaces="old")
    assert (placed.outcome, placed.replaced, placed.contradicts) == ("added", (), (there,))
    unnamed = reconcile(new, [there])
    assert (unnamed.outcome, unnamed.replaced, unnamed.contradicts) == ("added", (), ())
    assert unnamed.same_about == (there,)


def test_what_was_said_before_the_note_that_it_names_comes_as_already_replaced():
    later = old("Ann is vegan", about="diet", at=50.0)
    placed = reconcile(note("Ann eats fish"), [later], replaces="old")
    assert placed.outcome == "outdated"
    assert (placed.note.replaced_by, placed.note.replaced_at) == ("old", 50.0)
    beside = reconcile(note("Ann eats fish", about="diet"), [later])
    assert (beside.outcome, [each.id for each in beside.same_about]) == ("added", ["old"])


ORIGINS = st.sampled_from(["user", "agent", "tool:web", "tool:mail,web"])
NOTES = st.builds(
    Note,
    id=st.integers(0, 10**6).map(str),
    text=st.sampled_from(["a", "A.", "b", "c d"]),
    scope=st.sampled_from(["user", "agent:x"]),
    about=st.sampled_from(["", "x", "X", "y"]),
    origin=ORIGINS,
    at=st.floats(0, 100),
)


@given(
    NOTES.map(lambda each: replace(each, id="new")),
    st.lists(NOTES, max_size=6, unique_by=lambda each: each.id),
    st.sampled_from(["", "0", "1"]),
)
def test_nothing_is_lost_and_nothing_happens_upwards(new, there, replaces):
    placed = reconcile(new, there, replaces)
    before = {each.id: each for each in there}
    assert {each.id for each in placed.replaced} <= {replaces}
    for each in placed.replaced:
        was = before[each.id]
        assert replace(each, replaced_by="", replaced_at=None) == was
        assert (was.scope, each.replaced_by, each.replaced_at) == (
            new.scope,
            placed.note.id,
            new.at,
        )
        assert trust_level(was.origin) <= trust_level(new.origin)
        assert was.at <= new.at
    assert not {each.id for each in placed.contradicts} & {each.id for each in placed.replaced}
    if placed.note.id in before:
        assert trust_level(placed.note.origin) >= trust_level(before[placed.note.id].origin)
    if placed.outcome == "known":
        assert placed.note in there


def test_a_key_and_a_scope_name_their_note():
    assert note_id_of("k1", "user") == note_id_of("k1", "user") != note_id_of("k2", "user")
    assert note_id_of("k1", "user") != note_id_of("k1", "user:ann")
    assert len(note_id_of("k1", "user")) == 13
