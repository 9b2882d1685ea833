"""The most that an account may come to. Pure."""

import msgspec


class Ceiling(msgspec.Struct, frozen=True):
    """The most that an account may come to. None means no limit."""

    tokens: int | None = None
    usd: float | None = None
    requests: int | None = None
    """Model calls; only of an account of a minute."""


NO_CEILING = Ceiling()
