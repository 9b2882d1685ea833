"""Mappings that never change: a change gives a new one, which shares what is the same. Pure.

Few values are a plain dict, written anew at each change. A mapping of many shares them with the one
before, and has only the last changes of its own: so each of ten thousand open calls of a turn costs
little more than each of ten.
"""

from collections.abc import Iterator, Mapping, ValuesView
from typing import TypeVar

V = TypeVar("V")
MIN_CHANGES = 16
"""So many changes are kept apart at least, before a new mapping is written of them all.

Fewer values than that are few.
"""


def share(values: dict[str, V]) -> Mapping[str, V]:
    return values if len(values) < MIN_CHANGES else _Many(values, {}, len(values))


def keep(values: Mapping[str, V], key: str, value: V) -> Mapping[str, V]:
    """With this value: in the place of the one that has its key, or as the last."""
    if isinstance(values, _Many):
        return values.keep(key, value)
    return share({**values, key: value})


def remove(values: Mapping[str, V], key: str) -> Mapping[str, V]:
    """Without the value of this key, which must be there."""
    if isinstance(values, _Many):
        return values.remove(key)
    left = dict(values)
    del left[key]
    return left


class _Many(Mapping[str, V]):
    """So many values that a change doesn't write all of them anew."""

    __slots__ = ("_all", "_changes", "_count")

    def __init__(self, values: dict[str, V], changes: dict[str, V | None], count: int) -> None:
        self._all = values
        self._changes = changes
        """Values that came or changed since; None for one that is gone."""
        self._count = count

    def __getitem__(self, key: str) -> V:
        found = self._changes[key] if key in self._changes else self._all[key]
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        for key in self._all:
            if self._changes.get(key, self) is not None:
                yield key
        for key, value in self._changes.items():
            if key not in self._all and value is not None:
                yield key

    def values(self) -> ValuesView[V]:
        return super().values() if self._changes else self._all.values()

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)})"

    def keep(self, key: str, value: V) -> Mapping[str, V]:
        if key in self:
            return self._changed(key, value, self._count)
        if key in self._all or key in self._changes:  # it was gone, and has come again
            return share({**self, key: value})
        return self._changed(key, value, self._count + 1)

    def remove(self, key: str) -> Mapping[str, V]:
        return self._changed(key, None, self._count - 1)

    def _changed(self, key: str, value: V | None, count: int) -> Mapping[str, V]:
        made = _Many(self._all, {**self._changes, key: value}, count)
        if len(made._changes) > MIN_CHANGES and len(made._changes) ** 2 > len(made._all):
            return share(dict(made))
        return made
