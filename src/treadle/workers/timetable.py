"""Timetables: threads that begin at times which a cron expression gives.

1. A thread's name holds the time at which it was due, and its message has that name as its key. So
   each time begins one thread, however many workers there are and however often they look.
2. A time that no worker was there for is made up for, if it is at most `late_s` ago; earlier ones
   are skipped.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..core.check_settings import check_kind, check_number
from ..core.errors import UsageError

LOOK_S = 3600.0
"""How long a line is left alone at most: clocks are set, and machines sleep."""
LATE_AT_LEAST_S = 10.0
"""A worker comes a little after each time; what were too late by then would never begin."""
LATE_AT_MOST_S = 366 * 86_400.0
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Scheduled:
    """A line of a timetable. Raises UsageError where it can't be one."""

    name: str
    """Its threads are called so, with the time: `report-2026-11-27T08:00Z`."""
    cron: str
    """Five fields, such as `0 9 * * MON-FRI`; a sixth one in front counts seconds."""
    agent: str
    """Whom it is said to: an agent or a flow of the worker."""
    said: str = ""
    """What is said to an agent."""
    arguments: Mapping[str, Any] | None = None
    """What a flow or graph is begun with, in place of that; {} where it takes none."""
    by: str = ""
    """Who begins it, for the log and where each user has a budget."""
    timezone: str = "UTC"
    """Such as Europe/Berlin. A time that clocks skip in spring is moved to the next there is."""
    late_s: float = 300.0
    """How late, in seconds, a time is still made up for: from 10 up to those of a year."""

    def __post_init__(self) -> None:
        for name in ("name", "cron", "agent", "said", "by", "timezone"):
            check_kind(f"the line {self.name!r}: {name}", getattr(self, name), str, "a text")
        if self.arguments is not None:
            check_kind(f"the line {self.name!r}: arguments", self.arguments, Mapping, "a table")
        if not self.name.strip() or not self.agent.strip():
            raise UsageError("a line of a timetable needs a name and an agent")
        if bool(self.said.strip()) == (self.arguments is not None):
            raise UsageError(
                f"the line {self.name!r} needs either what is `said`, or a flow's `arguments`"
            )
        check_number(f"the line {self.name!r}: late_s", self.late_s)
        if self.late_s < LATE_AT_LEAST_S:
            raise UsageError(
                f"the line {self.name!r}: late_s={self.late_s:g} leaves a worker no time to begin"
                f" it; give {LATE_AT_LEAST_S:g} or more"
            )
        if self.late_s > LATE_AT_MOST_S:
            raise UsageError(
                f"the line {self.name!r}: late_s={self.late_s:g} is more than a year; give"
                f" {LATE_AT_MOST_S:.0f} or less"
            )
        self.times_after(datetime.now(UTC))

    def times_after(self, moment: datetime) -> Iterator[datetime]:
        """The times at which it is due after this moment, in order. Raises UsageError."""
        if find_spec("cronsim") is None:
            raise UsageError("timetables need cronsim: pip install 'treadle[scale]'")
        from cronsim import CronSim, CronSimError

        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # Europe is a folder
            raise UsageError(
                f"the line {self.name!r}: there is no timezone {self.timezone!r}; give one such as"
                " Europe/Berlin"
            ) from None
        try:
            times = CronSim(self.cron, moment.astimezone(zone))
        except CronSimError as error:
            raise UsageError(f"the line {self.name!r}: cron is {self.cron!r}: {error}") from None
        # In the hour that clocks in autumn give twice, it begins with a time of the first one.
        return (time.astimezone(UTC) for time in times if time > moment)

    def find_due(self, now: float) -> datetime | None:
        """The last time up to now that isn't too long ago, in UTC; None if there is none."""
        moment = datetime.fromtimestamp(now, UTC)
        found = next(self.times_after(moment - timedelta(seconds=self.late_s)), None)
        if found is None or found > moment:
            return None
        end = moment  # the last one lies in the half behind the middle, or in the one before
        while end - found >= _SECOND:
            middle = found + (end - found) / 2
            time = next(self.times_after(middle), None)
            if time is None or time > moment:
                end = middle
            else:
                found = time
        return found

    def seconds_to_next(self, now: float) -> float:
        """The seconds until it is to be looked at again."""
        moment = datetime.fromtimestamp(now, UTC)
        following = next(self.times_after(moment), None)
        if following is None:
            return LOOK_S
        return min(LOOK_S, (following - moment).total_seconds())

    def thread_at(self, due: datetime) -> str:
        """The name of the thread of this time."""
        form = "%Y-%m-%dT%H:%M:%SZ" if due.second else "%Y-%m-%dT%H:%MZ"
        return f"{self.name}-{due.strftime(form)}"


KEYS = tuple(each.name for each in fields(Scheduled) if each.name != "name")
"""Of a line in a file."""


def read_timetable(path: Path) -> list[Scheduled]:
    """The lines of a TOML file: a table for each, by its name, with the fields of `Scheduled`.

    Raises UsageError.
    """
    try:
        tables = tomllib.loads(path.read_text("utf8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    lines: list[Scheduled] = []
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is no table; write [{name}], then cron, agent, said")
        unknown = [key for key in table if key not in KEYS]
        missing = [key for key in ("cron", "agent") if key not in table]
        if unknown or missing:
            what = f"has no key {unknown[0]!r}" if unknown else f"lacks {missing[0]!r}"
            raise UsageError(f"{path}: [{name}] {what}; the keys are: {', '.join(KEYS)}")
        lines.append(Scheduled(name, **table))
    return lines
