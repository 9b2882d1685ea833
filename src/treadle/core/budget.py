"""Budgets: what all threads that name one may use together, in a day or a minute. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from .account import name_of_day, name_of_minute
from .check_settings import check_choice, check_number, check_whole_number
from .errors import UsageError
from .limits import Ceiling
from .name_kind import name_kind

_AMOUNTS = ("tokens_a_day", "requests_a_minute", "tokens_a_minute")


@dataclass(frozen=True)
class Budget:
    """What the model calls of all agents that name it may come to together. None means no limit.

    It holds for all processes that use the same database: each call reserves its worst case before
    it is sent. So `Budget("team", usd_a_day=20)` is one budget wherever it is written.
    """

    name: str
    usd_a_day: float | None = None
    """Days are those of UTC."""
    tokens_a_day: int | None = None
    """In and out."""
    requests_a_minute: int | None = None
    """Model calls in any 60 seconds; those that would be too many wait."""
    tokens_a_minute: int | None = None
    """In and out, as above."""
    provider: str = ""
    """Only the calls of models whose names begin so, such as `openai`; "" for all."""
    per: Literal["", "agent", "user"] = ""
    """Each agent, or each user, has a budget of its own of this kind. The user is who has said what
    opened the turn above all: `UserSaid("...", by="ann")`."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise UsageError(f"Budget(name) is {name_kind(self.name)}; give a word that names it")
        check_number("Budget(usd_a_day", self.usd_a_day, or_none="no limit")
        for name in _AMOUNTS:
            check_whole_number(f"Budget({name}", getattr(self, name), 1, or_none="no limit")
        if not isinstance(self.provider, str):
            raise UsageError(
                f"Budget(provider=) is {name_kind(self.provider)}; give the beginning of models'"
                ' names, such as "openai"'
            )
        check_choice("Budget(per", self.per, "", "agent", "user")
        if self.usd_a_day is None and all(getattr(self, name) is None for name in _AMOUNTS):
            raise UsageError(
                f"the budget {self.name!r} has no limit; give one, such as"
                f" Budget({self.name!r}, usd_a_day=20)"
            )

    def of(self, agent: str, user: str) -> "Budget":
        """The budget of this agent or user, where each has its own; else this one.

        Raises UsageError for a user without a name.
        """
        if not self.per:
            return self
        if self.per == "user" and not user:
            raise UsageError(
                f"the budget {self.name!r} is one of each user, and nobody has said the message of"
                ' this turn: say it as UserSaid("...", by="ann")'
            )
        name = agent if self.per == "agent" else user
        return replace(self, name=f"{self.name} of {name}", per="")

    def holds_for(self, model: str) -> bool:
        """Whether it counts the calls of the model of this name."""
        return not self.provider or model.partition(":")[0] == self.provider

    def ceilings(self, now: float) -> Iterator[tuple[str, Ceiling, float | None]]:
        """By the account's name, what it may come to, and when it begins anew, if on a date."""
        if self.usd_a_day is not None or self.tokens_a_day is not None:
            day = _day_of(now)
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
            ceiling = Ceiling(self.tokens_a_day, self.usd_a_day)
            yield name_of_day(self.name, day.isoformat()), ceiling, midnight.timestamp()
        if self.requests_a_minute is not None or self.tokens_a_minute is not None:
            ceiling = Ceiling(self.tokens_a_minute, None, self.requests_a_minute)
            yield name_of_minute(self.name), ceiling, None


def name_now(account: str, now: float) -> str:
    """The account that has taken this one's place by now: a budget has one for each day."""
    kind, _, rest = account.partition(":")
    if kind != "day":
        return account
    return name_of_day(rest.partition(":")[2], _day_of(now).isoformat())


def _day_of(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()
