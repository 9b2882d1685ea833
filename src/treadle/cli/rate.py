"""`treadle rate`: keeps what a person found of a turn, good or bad."""

from dataclasses import dataclass

from ..core import events as e
from ..core.errors import UsageError
from ..core.feedback import last_ended
from ..core.visible import make_visible, visible_line
from ..evals.rated_cases import Rating
from ..observe.timeline import Timeline
from ..runtime.log import Log
from ..runtime.post import rate as rate_turn
from ..runtime.sync import run_sync
from ..this_user import current_user
from .agents import choose_store
from .options import BY, WHY, StoreOptions, name_thread
from .parameters import make_flag, make_option
from .terminal import Screen
from .threads import open_thread


@dataclass(frozen=True, kw_only=True)
class RateOptions(StoreOptions):
    thread: str = name_thread()
    turn: int | None = make_option("N", "The turn's number; else the last that has ended.", min=1)
    good: bool = make_flag("It was good.")
    bad: bool = make_flag("It was bad.")
    why: str = make_option("TEXT", WHY, "")
    by: str | None = make_option("NAME", BY)


def rate(settings: RateOptions) -> int:
    """Say that a turn was good or bad, and why. It changes nothing of what the agent does.

    What you say again of the same turn takes the place of what you said before.
    """
    if settings.good == settings.bad:
        raise UsageError("say --good or --bad")
    log = open_thread(choose_store(settings), settings.thread)
    by = settings.by or current_user()
    said = e.FeedbackGiven(settings.good, by, settings.why, _find_turn(log, settings.turn))
    before = log.state.seq
    run_sync(rate_turn(log, said))
    screen = Screen()
    if log.state.seq == before:
        screen.note("you have said just that already")
        return 0
    line = Timeline().line(log.records[-1])
    screen.note(f"thread {visible_line(log.thread_id, 200)}: {make_visible(line.text)}", "bold")
    return 0


def read_rating(rated: str | None) -> Rating | None:
    """What `--rated` asks for. Raises UsageError for a rating that there is not."""
    match rated:
        case None | "good" | "bad":
            return rated
    raise UsageError(f"--rated {rated}: a turn was found good or bad")


def _find_turn(log: Log, number: int | None) -> int:
    """The seq of the message that opened the turn. Raises UsageError."""
    openings = [
        record.seq
        for record in log.records
        if isinstance(record.event, e.UserSaid) and record.event.opens_turn
    ]
    if number is None:
        return last_ended(log.state.openings, log.state.turn)
    if number > len(openings):
        raise UsageError(f"thread {log.thread_id} has {len(openings)} turns, and no turn {number}")
    return openings[number - 1]
