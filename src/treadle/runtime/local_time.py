"""Writes moments for people: as the local date and time."""

import time


def format_time(at: float) -> str:
    """Seconds since the epoch as a local date and time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (ValueError, OverflowError, OSError):  # not the time of any clock
        return f"{at:g}"
