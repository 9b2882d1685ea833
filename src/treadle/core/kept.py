"""A property that is worked out once. Pure."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    kept = cached_property
else:

    class kept(cached_property):
        """As cached_property of Python 3.12 and later: without the lock that 3.11 takes each time.

        Two threads at once may both work the value out. So it is for values that come out alike.
        """

        def __get__(self, owner: Any, kind: Any = None) -> Any:
            if owner is None:
                return self
            value = vars(owner)[self.attrname] = self.func(owner)
            return value
