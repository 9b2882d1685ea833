"""Opens the log of a thread that must be there."""

from ..core.errors import UnknownThread
from ..stores.store import Store
from .log import Log, open_log
from .world import World


async def require_log(thread_id: str, store: Store, world: World, turn_seq: int = 0) -> Log:
    """As `open_log`, but raises UnknownThread where there is no such thread."""
    log = await open_log(thread_id, store, world, turn_seq=turn_seq)
    if not log.records:
        raise UnknownThread(f"there is no thread {thread_id!r} in this store")
    return log
