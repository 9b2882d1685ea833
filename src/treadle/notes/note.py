"""A note, and what becomes of a new one among those that are there. Pure: no clock, no database.

1. A note is one fact or decision on one line, with where it comes from. `origin` is worked out by us, never by a model.
2. Two live notes of one scope can't say the same: the words are kept once, under the newer date.
3. Two notes of one scope about the same thing contradict. The newer replaces the older, which is kept with its dates.
4. Neither happens upwards: what comes from a tool changes nothing that a person or the agent said; both are kept.
"""

import re
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec.structs import replace

from ..core.errors import UsageError

MAX_CHARS = 2000
MAX_ABOUT_CHARS = 100
MAX_DAYS = 36_500
DAY_S = 86_400.0

_SCOPE = re.compile(r"user|(?:user|project|agent):\S{1,100}")
_ORIGIN = re.compile(r"user|agent|tool:[\w-]{1,64}(?:,[\w-]{1,64})*")
_ENDS = ".,;:!\"'()[]{}\u3001\u3002\u300c\u300d\u300e\u300f\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u00a1"
"""What may stand at the ends of a word and change nothing. A question mark does change something."""
_JOINERS = "\u200c\u200d"


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact or decision. Its text is data, whoever reads it."""

    id: str
    text: str
    scope: str
    """Whom it concerns: "user", "user:NAME", "project:NAME" or "agent:NAME"."""
    about: str = ""
    """What it is about, in a word or two ("diet"); a later note about the same takes its place."""
    origin: str = "user"
    """Who said it: "user", "agent", or "tool:NAME,NAME" for what was made from results of these tools."""
    thread_id: str = ""
    """Where it was said, with `seq`; "" where it was written by hand."""
    seq: int = 0
    at: float = 0.0
    """When it was last said, in seconds since the epoch, UTC."""
    expires_at: float | None = None
    replaced_by: str = ""
    """The note that took its place; "" while it holds."""
    replaced_at: float | None = None

    @property
    def trusted(self) -> bool:
        """Whether no tool had a hand in it."""
        return not self.origin.startswith("tool:")


class WriteResult(msgspec.Struct, frozen=True):
    """What becomes of a new note."""

    outcome: Literal["added", "refreshed", "known", "outdated"]
    """`refreshed`: it says what `note` said, which now has its date. `known`: the same, but said earlier or by a source
    that is trusted less, so nothing changes. `outdated`: a newer note has already taken its place."""
    note: Note
    """As it is kept."""
    replaced: tuple[Note, ...] = ()
    """The older ones whose place it takes, as they are kept."""
    contradicts: tuple[Note, ...] = ()
    """Those that it contradicts and that hold beside it: a note never replaces one that is trusted more."""


def check_note(note: Note) -> Note:
    """The note on one line, without what nobody would see. Raises UsageError for what can't be a note."""
    text, about = one_line(note.text), one_line(note.about)
    if not text:
        raise UsageError("a note needs a text: one fact or decision, complete in itself")
    if len(text) > MAX_CHARS:
        raise UsageError(
            f"this note has {len(text):,} characters; one may have {MAX_CHARS:,}. Note the few facts in it"
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
    """The scope as it is. Raises UsageError for what is none."""
    if not (_SCOPE.fullmatch(scope) and scope.isprintable()):
        raise UsageError(
            f"{scope[:100]!r} is no scope; one is user, user:NAME, project:NAME or agent:NAME, without spaces"
        )
    return scope


def expiry_time(at: float, days: float | None) -> float | None:
    """When a note of that time expires; None for never. Raises UsageError for days that can't be."""
    if days is None:
        return None
    if not 0 < days <= MAX_DAYS:
        raise UsageError(
            f"a note holds for more than 0 and at most {MAX_DAYS:,} days; leave days out for ever"
        )
    return at + days * DAY_S


def one_line(text: str) -> str:
    """The text on one line, without control characters, halves of surrogate pairs and invisible marks."""
    kept = "".join(
        char
        if char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")
        else _gap(char)
        for char in text
    )
    return " ".join(kept.split())


def _gap(char: str) -> str:
    return " " if char.isspace() else ""


def note_id_of(key: str) -> str:
    """The id of the note that is written under this idempotency key: the same key, the same note."""
    return "n" + blake2b(key.encode(), digest_size=6).hexdigest()


def normalize(text: str) -> str:
    """What two texts that say the same in the same words have in common: no case, no marks at the ends of words."""
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(filter(None, (word.strip(_ENDS) for word in words))) or " ".join(words)


def trust_level(origin: str) -> int:
    """How far an origin is trusted: what people said most, what is made from tool results least."""
    return {"user": 2, "agent": 1}.get(origin, 0)


def is_live(note: Note, now: float) -> bool:
    """Whether it holds: not replaced, not expired."""
    return not note.replaced_by and (note.expires_at is None or note.expires_at > now)


def reconcile(new: Note, others: Iterable[Note], replaces: str = "") -> WriteResult:
    """What becomes of a new note among the live ones. `replaces` is the id of one that it contradicts, if any does.

    Notes of other scopes have no part in it, nor has one that is named in `replaces` and isn't there.
    """
    there = [note for note in others if note.scope == new.scope and note.id != new.id]
    same = next((note for note in there if _says_the_same(note, new)), None)
    if same and (trust_level(new.origin), new.at) < (trust_level(same.origin), same.at):
        return WriteResult("known", same)
    if same:  # said again: from here on by whom, when and until when it was said last
        new = replace(new, id=same.id, text=same.text, about=new.about or same.about)
    about = normalize(new.about)
    against = [
        note
        for note in there
        if note is not same and (note.id == replaces or (about and normalize(note.about) == about))
    ]
    newer = [
        note
        for note in against
        if note.at > new.at and trust_level(note.origin) >= trust_level(new.origin)
    ]
    if newer:
        first = min(newer, key=lambda note: note.at)
        return WriteResult("outdated", replace(new, replaced_by=first.id, replaced_at=first.at))
    older = [
        note
        for note in against
        if note.at <= new.at and trust_level(note.origin) <= trust_level(new.origin)
    ]
    return WriteResult(
        "refreshed" if same else "added",
        new,
        tuple(replace(note, replaced_by=new.id, replaced_at=new.at) for note in older),
        tuple(note for note in against if note not in older),
    )


def _says_the_same(old: Note, new: Note) -> bool:
    """The same words; about different things they are different notes ("blue", about the door, about the roof)."""
    about, other = normalize(old.about), normalize(new.about)
    return normalize(old.text) == normalize(new.text) and (about == other or not about or not other)
