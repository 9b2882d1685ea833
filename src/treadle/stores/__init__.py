"""Where logs are kept: the protocol in store.py, then one file for each store."""

from typing import TYPE_CHECKING

from ..on_use import import_on_use

if TYPE_CHECKING:
    from ..core.account import Balance, Entry, Holder
    from ..core.errors import AccountFull, SeqTaken, StoreDamaged
    from ..core.limits import Ceiling
    from .archive import Copied, export_threads, import_threads, restore_threads
    from .memory import MemoryStore
    from .postgres import PostgresStore
    from .sqlite import SQLiteStore
    from .store import (
        Attended,
        Certain,
        Erasable,
        Erased,
        Queued,
        Row,
        Store,
        ThreadInfo,
        ThreadQuery,
        Timed,
        Watchable,
        with_checksum,
    )
else:
    __getattr__ = import_on_use(
        __name__,
        {
            "..core.account": "Balance Entry Holder",
            "..core.errors": "AccountFull SeqTaken StoreDamaged",
            "..core.limits": "Ceiling",
            ".archive": "Copied export_threads import_threads restore_threads",
            ".memory": "MemoryStore",
            ".postgres": "PostgresStore",
            ".sqlite": "SQLiteStore",
            ".store": (
                "Attended Certain Erasable Erased Queued Row Store ThreadInfo ThreadQuery"
                " Timed Watchable with_checksum"
            ),
        },
    )

__all__ = [
    "AccountFull",
    "Attended",
    "Balance",
    "Ceiling",
    "Certain",
    "Copied",
    "Entry",
    "Erasable",
    "Erased",
    "Holder",
    "MemoryStore",
    "PostgresStore",
    "Queued",
    "Row",
    "SQLiteStore",
    "SeqTaken",
    "Store",
    "StoreDamaged",
    "ThreadInfo",
    "ThreadQuery",
    "Timed",
    "Watchable",
    "export_threads",
    "import_threads",
    "restore_threads",
    "with_checksum",
]
