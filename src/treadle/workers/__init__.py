"""Workers: processes that resume what is due, on one machine or on many."""

from .keep_going import keep_going
from .metrics import measuring
from .worker import Worker, work

__all__ = ["Worker", "keep_going", "measuring", "work"]
