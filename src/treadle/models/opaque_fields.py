"""Fields that only the provider understands, joined from their pieces. Pure.

A thought and its signature may come in many pieces, and go back as one: no provider takes the
pieces. Pieces of one thought have one `index`; without it, each piece goes on where the last ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_NAMES = frozenset(("type", "id", "index", "format", "role", "name"))
"""Fields of a piece that say which it is, and are the same in each."""
_TEXTS = frozenset(("text", "summary", "thinking", "reasoning", "content"))
"""Fields that grow piece by piece. Others may be repeated in each piece."""
_ENDS = ("signature", "data")
"""Fields that come last: a piece after them begins another thought."""


@dataclass
class _Joint:
    """The pieces of one thought."""

    pieces: list[dict[str, Any]]
    chunk: int
    """Where the last of them came. Two of one chunk are two thoughts."""
    has_end: bool = False

    def add(self, piece: dict[str, Any], chunk: int) -> None:
        self.pieces.append(piece)
        self.chunk = chunk
        self.has_end = self.has_end or any(piece.get(key) for key in _ENDS)


def join_fields(fields: dict[str, list[Any]]) -> dict[str, Any]:
    """One value for each field: texts and lists joined, of other values the last one."""
    joined: dict[str, Any] = {}
    for key, values in fields.items():
        joined[key] = values[-1]
        if all(isinstance(value, str) for value in values):
            joined[key] = "".join(values)
        elif all(isinstance(value, list) for value in values):
            joined[key] = join_lists(values)
    return joined


def join_lists(lists: Iterable[list[Any]]) -> list[Any]:
    """The items of lists that came one after the other; the pieces of one item are joined."""
    made: list[_Joint | Any] = []
    by_index: dict[tuple[str, str], _Joint] = {}
    for chunk, items in enumerate(lists):
        for item in items:
            if not isinstance(item, dict):
                made.append(item)
                continue
            last = made[-1] if made else None
            joint = _find_joint(item, chunk, by_index, last)
            if joint is None:
                joint = _Joint([], chunk)
                made.append(joint)
            joint.add(item, chunk)
            if "index" in item:
                by_index[_index_of(item)] = joint
    return [join_pieces(each.pieces) if isinstance(each, _Joint) else each for each in made]


def join_pieces(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """One object of its pieces."""
    if len(pieces) == 1:
        return pieces[0]
    values: dict[str, list[Any]] = {}
    for piece in pieces:
        for key, value in piece.items():
            values.setdefault(key, []).append(value)
    return {key: _join_values(key, each) for key, each in values.items()}


def continues(piece: dict[str, Any], last: dict[str, Any]) -> bool:
    """Whether a piece without an index can be more of what the last one began."""
    same_type = piece.get("type") == last.get("type")
    ids = {each["id"] for each in (piece, last) if isinstance(each.get("id"), str)}
    return same_type and len(ids) < 2 and "index" not in piece and "index" not in last


def _find_joint(
    item: dict[str, Any], chunk: int, by_index: dict[tuple[str, str], _Joint], last: Any
) -> _Joint | None:
    joint = None
    if "index" in item:
        joint = by_index.get(_index_of(item))
    elif isinstance(last, _Joint) and not last.has_end and continues(item, last.pieces[0]):
        joint = last
    if joint and joint.chunk < chunk:
        return joint
    return None


def _index_of(item: dict[str, Any]) -> tuple[str, str]:
    return repr(item["index"]), repr(item.get("type"))


def _join_values(key: str, values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if key not in _NAMES and all(isinstance(value, str) for value in known):
        if key not in _TEXTS and len(set(known)) == 1:  # repeated in each piece
            return known[0]
        return "".join(known)
    if all(isinstance(value, list) for value in known):
        return join_lists(known)
    return known[-1]
