"""Workers: processes that resume what is due, on one machine or on many."""

from ..runtime.elsewhere import elsewhere
from .keep_going import keep_going
from .metrics import measuring
from .timetable import Scheduled, read_timetable
from .worker import Worker, work

__all__ = ["Scheduled", "Worker", "elsewhere", "keep_going", "measuring", "read_timetable", "work"]
