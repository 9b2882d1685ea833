"""How often something came, as a mapping that never changes. Pure.

As open_calls.py: a change gives a new mapping, which has only the last changes of its own. So the
ten-thousandth call of a turn is counted as quickly as the tenth.
"""

from collections.abc import Iterator, Mapping

MIN_CHANGES = 16
"""So many changes are kept apart at least, before a new mapping is written of them all."""


class Tally(Mapping[str, int]):
    """The count of each text that was counted."""

    __slots__ = ("_all", "_changes")

    def __init__(self) -> None:
        self._all: dict[str, int] = {}
        self._changes: dict[str, int] = {}
        """Counts that came or grew since; they win."""

    def __getitem__(self, text: str) -> int:
        return self._changes[text] if text in self._changes else self._all[text]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all | self._changes)

    def __len__(self) -> int:
        return len(self._all | self._changes)

    def __repr__(self) -> str:
        return f"Tally({self._all | self._changes})"

    def count(self, text: str) -> int:
        """0 for what was never counted."""
        return self._changes.get(text) or self._all.get(text, 0)

    def add(self, counts: Mapping[str, int]) -> "Tally":
        """With these counts added."""
        made = Tally()
        made._all = self._all
        made._changes = self._changes | {text: self.count(text) + counts[text] for text in counts}
        if len(made._changes) > MIN_CHANGES and len(made._changes) ** 2 > len(made._all):
            made._all, made._changes = self._all | made._changes, {}
        return made
