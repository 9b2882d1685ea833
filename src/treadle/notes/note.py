"""A note, and how a new note is reconciled with those that exist. Pure: no clock, no database.

1. A note is one fact or decision on one line, with its origin. We set the origin, never a model.
2. Two live notes in one scope can't say the same: the text is kept once, with the newer date.
3. A note replaces only the note that it names as replaced, which is kept with its dates. Notes
   about the same thing stand side by side: two children are both about "child".
4. A note never replaces one that is trusted more: if a tool's note names what a person or the
   agent said, both are kept.
"""

import re
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec.structs import replace

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from ..core.taint import join_labels
from ..core.values import Label

MAX_CHARS = 2000
MAX_ABOUT_CHARS = 100
MAX_DAYS = 36_500
DAY_S = 86_400.0

_SCOPE = re.compile(r"user|(?:user|project|agent):\S{1,100}")
_ORIGIN = re.compile(r"user|agent|tool:[\w-]{1,64}(?:,[\w-]{1,64})*")
_ENDS = (
    ".,;:!\"'()[]{}\u3001\u3002\u300c\u300d\u300e\u300f"
    "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u00a1"
)
"""Characters at the ends of a word that don't change what it says. A question mark does."""
_NUMBER = re.compile(r"(?<!\w)\.?\d+|\d+")
_JOINERS = "\u200c\u200d"


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact or decision. Its text is data, whoever reads it."""

    id: str
    text: str
    scope: str
    """Whom it concerns: "user", "user:NAME", "project:NAME" or "agent:NAME"."""
    about: str = ""
    """What it is about, in a word or two ("diet")."""
    origin: str = "user"
    """Who said it: "user", "agent", or "tool:NAME,NAME" if it comes from these tools' results."""
    thread_id: str = ""
    """With `seq`, where it was said; "" for a note written by hand."""
    seq: int = 0
    at: float = 0.0
    """When it was last said, in seconds since the epoch, UTC."""
    expires_at: float | None = None
    replaced_by: str = ""
    """The note that replaced it; "" while it holds."""
    replaced_at: float | None = None
    labels: tuple[Label, ...] = ()
    """What the thread held in which it was made, and whoever recalls it gets: see taint.py."""

    @property
    def trusted(self) -> bool:
        """Whether it was made without tool results."""
        return not self.origin.startswith("tool:")


class WriteResult(msgspec.Struct, frozen=True):
    """How a new note was written."""

    outcome: Literal["added", "refreshed", "known", "outdated"]
    """`refreshed`: an existing note says the same; it now has the new date.
    `known`: the same, but the new one is older or less trusted, so nothing changed.
    `outdated`: a newer note has already replaced it."""
    note: Note
    """The note as it is stored."""
    replaced: tuple[Note, ...] = ()
    """The notes that it replaced, as they are stored."""
    contradicts: tuple[Note, ...] = ()
    """The note that it names as replaced, if that stays live because it is trusted more."""
    same_about: tuple[Note, ...] = ()
    """The other live notes in its scope about the same thing, newest first."""


def check_note(note: Note) -> Note:
    """The note on one line, without invisible characters. Raises UsageError if it isn't valid."""
    text = one_line(note.text)
    about = one_line(note.about)
    if not text:
        raise UsageError("a note needs a text: one fact or decision, complete in itself")
    if len(text) > MAX_CHARS:
        raise UsageError(
            f"this note has {len(text):,} characters; one may have {MAX_CHARS:,}."
            " Note the few facts in it"
        )
    if len(about) > MAX_ABOUT_CHARS:
        raise UsageError(
            f"`about` names a thing in a word or two; this one has {len(about):,} characters"
        )
    check_scope(note.scope)
    if not _ORIGIN.fullmatch(note.origin):
        raise UsageError(
            f"a note's origin is user, agent or tool:NAME,NAME; not {note.origin[:100]!r}"
        )
    return replace(note, text=text, about=about)


def check_scope(scope: str) -> str:
    """The scope, unchanged. Raises UsageError if it isn't one."""
    if not isinstance(scope, str):
        raise UsageError(f"a scope is {name_kind(scope)}; give a text such as user:ann")
    if not (_SCOPE.fullmatch(scope) and scope.isprintable()):
        raise UsageError(
            f"{scope[:100]!r} is no scope; one is user, user:NAME, project:NAME or agent:NAME,"
            " without spaces"
        )
    return scope


def expiry_time(at: float, days: float | None) -> float | None:
    """When a note from that time expires; None means never. Raises UsageError for invalid days."""
    if days is None:
        return None
    if not 0 < days <= MAX_DAYS:
        raise UsageError(
            f"a note holds for more than 0 and at most {MAX_DAYS:,} days; leave days out for ever"
        )
    return at + days * DAY_S


def one_line(text: str) -> str:
    """The text on one line, without control characters, lone surrogates and invisible marks."""
    kept = []
    for char in text:
        if char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co"):
            kept.append(char)
        elif char.isspace():
            kept.append(" ")
    return " ".join("".join(kept).split())


def note_id_of(key: str, scope: str) -> str:
    """The id of the note written under this idempotency key in this scope."""
    return "n" + blake2b(f"{scope} {key}".encode(), digest_size=6).hexdigest()


def normalize(text: str) -> str:
    """The text without case and without punctuation around words, to compare two texts by."""
    words = unicodedata.normalize("NFKC", text).casefold().split()
    bare = [word.strip(_ENDS) for word in words]
    return " ".join(filter(None, bare)) or " ".join(words)


def trust_level(origin: str) -> int:
    """How far an origin is trusted: a person most, tool results least."""
    return {"user": 2, "agent": 1}.get(origin, 0)


def is_live(note: Note, now: float) -> bool:
    """Whether the note holds: it is neither replaced nor expired."""
    return not note.replaced_by and (note.expires_at is None or note.expires_at > now)


def reconcile(new: Note, others: Iterable[Note], replaces: str = "") -> WriteResult:
    """How a new note fits in with the live ones: which it repeats, replaces or contradicts.

    `replaces` is the id of a note that the new one corrects. Notes of other scopes don't count,
    nor does an id in `replaces` that doesn't exist.
    """
    existing = [note for note in others if note.scope == new.scope and note.id != new.id]
    same = next((note for note in existing if _says_the_same(note, new)), None)
    outcome: Literal["added", "refreshed", "known"] = "added"
    placed = new
    if same and (trust_level(new.origin), new.at) < (trust_level(same.origin), same.at):
        outcome, placed = "known", same
    elif same:
        outcome, placed = "refreshed", _say_again(same, new)
    named = next((note for note in existing if note.id == replaces and note is not same), None)
    rest = find_same_about(placed, (note for note in existing if note is not named))
    if named is None:
        return WriteResult(outcome, placed, same_about=rest)
    if trust_level(named.origin) > trust_level(new.origin):
        return WriteResult(outcome, placed, contradicts=(named,), same_about=rest)
    if named.at <= new.at:
        gone = replace(named, replaced_by=placed.id, replaced_at=new.at)
        return WriteResult(outcome, placed, replaced=(gone,), same_about=rest)
    rest = find_same_about(placed, existing)
    if outcome == "known":
        return WriteResult(outcome, placed, same_about=rest)
    old = replace(placed, replaced_by=named.id, replaced_at=named.at)
    return WriteResult("outdated", old, same_about=rest)


def _say_again(old: Note, new: Note) -> Note:
    """The old note, with the origin, the date and the expiry of the new one.

    What it is about may be words that only the old one has. They stay if they are trusted as far,
    and what they bring along stays with them.
    """
    again = replace(new, id=old.id, text=old.text)
    if new.about or not old.about or (new.trusted and not old.trusted):
        return again
    return replace(again, about=old.about, labels=join_labels((old.labels, new.labels)))


def find_same_about(note: Note, others: Iterable[Note]) -> tuple[Note, ...]:
    """Those of the others that are about the same thing; none for a note about nothing."""
    about = normalize(note.about)
    return tuple(
        other
        for other in others
        if about and other.id != note.id and normalize(other.about) == about
    )


def _says_the_same(old: Note, new: Note) -> bool:
    """The same words, unless they are about different things: "blue" of a door and of a roof."""
    if normalize(old.text) != normalize(new.text) or _numbers(old.text) != _numbers(new.text):
        return False
    about = normalize(new.about)
    old_about = normalize(old.about)
    return not about or not old_about or about == old_about


def _numbers(text: str) -> list[str]:
    """The numbers in a text, as they are written: .5 is not 5, and 10⁵ is not 105."""
    return [unicodedata.normalize("NFKC", number) for number in _NUMBER.findall(text)]
