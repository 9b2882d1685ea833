"""The work elsewhere of a simulation: what calls have begun there, when it ends, and with what result."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from treadle import ToolError


@dataclass
class Jobs:
    """All jobs, by number. A job that nobody has begun can't end."""

    chance: random.Random
    now: Callable[[], float]
    ends_at: dict[int, float] = field(default_factory=dict)
    results: dict[int, str | ToolError] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    def begin(self, number: int) -> None:
        self.ends_at.setdefault(number, self.now() + self.chance.choice((0.0, 0.3, 2.0, 6.0)))

    def ended(self) -> list[int]:
        """Those that have ended since this was asked last."""
        now = self.now()
        found = [each for each, at in self.ends_at.items() if at <= now and each not in self.told]
        self.told.update(found)
        return found

    def result_of(self, number: int) -> str | ToolError | None:
        """What came of it; None while it goes on."""
        if self.ends_at.get(number, 1e9) > self.now():
            return None
        return self.end(number)

    def end(self, number: int) -> str | ToolError:
        """What came of it: it ends now, if it has not."""
        self.ends_at[number] = min(self.ends_at.get(number, self.now()), self.now())
        if number not in self.results:
            failed = self.chance.random() < 0.2
            words = f"job {number} has {'failed' if failed else 'passed'}"
            self.results[number] = ToolError(words) if failed else words
        return self.results[number]
